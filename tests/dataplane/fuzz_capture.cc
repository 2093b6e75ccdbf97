// Fuzzes what says whose frames are captured: the text of operators, and frames of anybody.
// Input: up to 64 bytes of text, a zero byte, and a frame. What an end is taken for does not depend
// on how it is asked; nothing reads beyond the frame; and the whole address space has every IP
// frame. Under clang it is a libFuzzer target; elsewhere fuzz_replay.cc runs it over its corpus.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "dataplane/port/capture_filter.h"

namespace {

using namespace soundgate;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const uint8_t* zero = std::find(data, data + std::min<size_t>(size, 64), 0);
  const std::string text(data, zero);
  const size_t text_bytes = std::min(size, text.size() + 1);
  const size_t frame_bytes = size - text_bytes;
  // Of its exact size, so that a sanitizer sees what reads beyond it.
  const auto frame = std::make_unique<std::byte[]>(frame_bytes);
  std::copy_n(reinterpret_cast<const std::byte*>(data) + text_bytes, frame_bytes, frame.get());
  const MutableBytes bytes(frame.get(), frame_bytes);

  const auto everybody = parse_capture_filter("0.0.0.0/0")->matches(bytes, {}) ||
                         parse_capture_filter("::/0")->matches(bytes, {});
  const auto filter = parse_capture_filter(text);
  if (!filter) return 0;
  require(filter->client.prefix_bits <= (filter->client.ipv6 ? 128u : 32u));
  const bool from_client = filter->matches(bytes, Side::kClient);
  const bool from_origin = filter->matches(bytes, Side::kOrigin);
  require(filter->matches(bytes, {}) == (from_client || from_origin));
  require(everybody || !(from_client || from_origin));
  return 0;
}
