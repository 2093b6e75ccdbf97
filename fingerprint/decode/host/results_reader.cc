#include "fingerprint/decode/host/results_reader.h"

#include <atomic>
#include <bit>

namespace soundgate::decode {

tl::expected<uint32_t, ResultFault> ResultsReader::waiting() const {
  const uint64_t written = results_header(memory_).written.load(std::memory_order_acquire);
  const uint64_t count = written - taken_;
  if (count > kResultEntries) return tl::unexpected(ResultFault::kOverrun);
  return static_cast<uint32_t>(count);
}

ResultEntry ResultsReader::take() {
  struct Words {
    uint64_t word[sizeof(ResultEntry) / sizeof(uint64_t)];
  };
  auto* shared = reinterpret_cast<uint64_t*>(&result_entry(memory_, taken_++));
  Words copy;
  for (size_t i = 0; i < std::size(copy.word); ++i) {
    copy.word[i] = std::atomic_ref(shared[i]).load(std::memory_order_relaxed);
  }
  return std::bit_cast<ResultEntry>(copy);
}

}  // namespace soundgate::decode
