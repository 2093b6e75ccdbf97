#include "fingerprint/decode/worker/vorbis_setup.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace soundgate::decode {
namespace {

struct Headers {
  std::span<const uint8_t> identification, comment, setup;
};

// The first two lengths as bytes of 255 and one that is less; the third is what is left.
std::optional<Headers> split_laced(std::span<const uint8_t> rest) {
  constexpr uint8_t kHeadersButOne = 2, kMore = 255;
  if (rest.empty() || rest.front() != kHeadersButOne) return {};
  rest = rest.subspan(1);
  size_t lengths[kHeadersButOne] = {};
  for (size_t& length : lengths) {
    uint8_t byte = kMore;
    while (byte == kMore) {
      if (rest.empty()) return {};
      byte = rest.front();
      length += byte;
      rest = rest.subspan(1);
    }
  }
  if (lengths[0] > rest.size() || lengths[1] > rest.size() - lengths[0]) return {};
  return Headers{rest.first(lengths[0]), rest.subspan(lengths[0], lengths[1]),
                 rest.subspan(lengths[0] + lengths[1])};
}

// Each behind its length in 16 bits, which the first one is known by.
std::optional<Headers> split_prefixed(std::span<const uint8_t> rest) {
  constexpr size_t kIdentificationBytes = 30;
  std::span<const uint8_t> headers[3];
  for (auto& header : headers) {
    if (rest.size() < 2) return {};
    const auto length = static_cast<size_t>(rest[0] << 8 | rest[1]);
    rest = rest.subspan(2);
    if (length > rest.size()) return {};
    header = rest.first(length);
    rest = rest.subspan(length);
  }
  if (headers[0].size() != kIdentificationBytes || !rest.empty()) return {};
  return Headers{headers[0], headers[1], headers[2]};
}

bool is_comment(std::span<const uint8_t> header) {
  constexpr std::string_view kBegin = "\003vorbis";
  return header.size() >= kBegin.size() &&
         std::ranges::equal(header.first(kBegin.size()), kBegin,
                            [](uint8_t byte, char letter) { return byte == uint8_t(letter); });
}

}  // namespace

VorbisSetup vorbis_setup(std::span<const uint8_t> extradata) {
  auto headers = split_prefixed(extradata);
  if (!headers) headers = split_laced(extradata);
  if (!headers || !is_comment(headers->comment)) return {extradata};
  return {headers->identification, headers->setup};
}

}  // namespace soundgate::decode
