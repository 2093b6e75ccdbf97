#include "dataplane/tcp/tcp_options.h"

#include <algorithm>

namespace soundgate {
namespace {

enum Kind : uint8_t {
  kEnd = 0,
  kNop = 1,
  kSegmentBytesMax = 2,
  kTimestamps = 8,
  kMultipath = 30,
  kFastOpen = 34,
  kExperiment1 = 253,
  kExperiment2 = 254,
};

constexpr uint16_t kFastOpenExperiment = 0xF989;

// Calls visit(kind, the whole option) for each well-formed option that has a length.
template <typename Span, typename Visit>
void for_each_option(Span options, Visit visit) {
  size_t at = 0;
  while (at < options.size()) {
    const uint8_t kind = load8(options, at);
    if (kind == kEnd) return;
    if (kind == kNop) {
      ++at;
      continue;
    }
    if (at + 2 > options.size()) return;
    const size_t bytes = load8(options, at + 1);
    if (bytes < 2 || at + bytes > options.size()) return;
    visit(kind, options.subspan(at, bytes));
    at += bytes;
  }
}

bool is_fast_open(uint8_t kind, Bytes option) {
  if (kind == kFastOpen) return true;
  return (kind == kExperiment1 || kind == kExperiment2) && option.size() >= 4 &&
         load16(option, 2) == kFastOpenExperiment;
}

}  // namespace

TcpOptions parse_tcp_options(Bytes options) {
  TcpOptions found;
  for_each_option(options, [&](uint8_t kind, Bytes option) {
    if (kind == kSegmentBytesMax && option.size() == 4) found.segment_bytes_max = load16(option, 2);
    if (kind == kTimestamps && option.size() == 10) {
      found.timestamps = Timestamps{load32(option, 2), load32(option, 6)};
    }
  });
  return found;
}

bool neutralise_syn_options(MutableBytes options) {
  bool found = false;
  for_each_option(options, [&](uint8_t kind, MutableBytes option) {
    if (kind != kMultipath && !is_fast_open(kind, option)) return;
    std::ranges::fill(option, std::byte{kNop});
    found = true;
  });
  return found;
}

}  // namespace soundgate
