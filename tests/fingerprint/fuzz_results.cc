// Fuzzes what the host believes of a worker: bytes → results memory → entries → checks.
// Under clang it is a libFuzzer target; elsewhere fuzz_replay.cc runs it over its corpus.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "fingerprint/decode/host/result_check.h"
#include "fingerprint/decode/host/results_reader.h"

namespace {

using namespace soundgate;
using namespace soundgate::decode;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const ResultEntry& entry, StreamProgress& stream) {
  const auto result = check_result(entry, stream);
  if (!result) return;
  require(entry.consumed_bytes <= stream.appended_bytes);
  stream.consumed_bytes = entry.consumed_bytes;
  if (const auto* items = std::get_if<ItemsResult>(&*result)) {
    require(is_view(items->view));
    require(std::abs(step_of(items->view)) <= stream.probe_step_max);
    require(items->first_item >= stream.next_item[items->view]);
    require(!items->items.empty() && items->items.size() <= kItemsPerEntry);
    const auto end = items->first_item + static_cast<uint32_t>(items->items.size());
    stream.next_item[items->view] = end;
    require(items->read_blocks >= stream.read_blocks);
    stream.read_blocks = items->read_blocks;
    const double speed = is_probe(items->view) ? probe_speed(step_of(items->view)) : 1;
    require(end <= std::ceil(stream.items_max * speed));
  }
  if (const auto* packets = std::get_if<PacketsResult>(&*result)) {
    uint32_t& next = packets->is_asked ? stream.next_packets_asked : stream.next_packets_said;
    require(packets->checkpoint >= next && packets->checkpoint <= kAllPackets);
    require(std::memchr(packets->format.data(), 0, packets->format.size()) != nullptr);
    next = packets->checkpoint + 1;
  }
  if (std::holds_alternative<AgainResult>(*result)) {
    require(stream.may_begin_again);
    stream.may_begin_again = false;
    stream.next_item = {};
  }
  if (const auto* end = std::get_if<DecodeEnd>(&*result)) {
    require(!name(end->outcome).empty());
    require(end->decoded_seconds >= 0 && end->duration_seconds >= 0);
    require(std::memchr(end->format, 0, sizeof end->format) != nullptr);
    require(std::memchr(end->codec, 0, sizeof end->codec) != nullptr);
    stream.generation = 0;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  struct alignas(4096) Memory {
    std::byte bytes[kResultsBytes];
  };
  static const auto memory = std::make_unique<Memory>();
  // The input is the beginning of the ring; its first 8 bytes say how much has been written.
  if (size < sizeof(uint64_t)) return 0;
  uint64_t written;
  std::memcpy(&written, data, sizeof written);
  results_header(memory->bytes).written.store(written);
  std::memcpy(memory->bytes + sizeof(ResultsHeader), data + sizeof written,
              std::min(size - sizeof written, size_t{64} * sizeof(ResultEntry)));
  ResultsReader reader(memory->bytes);
  StreamProgress stream{.generation = 1,
                        .probe_step_max = 2,
                        .is_sparse = true,
                        .may_begin_again = true,
                        .items_max = 5000,
                        .appended_bytes = 1 << 20,
                        .consumed_bytes = 0,
                        .is_finished = true,
                        .remembers_packets = true};
  const auto waiting = reader.waiting();
  if (!waiting) return 0;
  require(*waiting <= kResultEntries);
  for (uint32_t i = 0; i < std::min(*waiting, 64u); ++i) check(reader.take(), stream);
  return 0;
}
