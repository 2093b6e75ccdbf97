// Fuzzes what takes the coding off a stream. However its bytes arrive and are asked for, the same
// come out, with the same end; what is kept, and how much comes out of how much, stays within
// bounds; and what zlib itself inflates whole comes out whole. The input is taken as it is, and
// once more packed, with some of its bytes as changes to that.
// Under clang it is a libFuzzer target; elsewhere fuzz_replay.cc runs it over its corpus.

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "fingerprint/decode/worker/inflated_stream.h"

namespace {

using namespace soundgate;
using namespace soundgate::decode;
using State = ByteSource::State;
using Data = std::vector<uint8_t>;

void require(bool condition) {
  if (!condition) std::abort();
}

class Coded final : public StreamContext {
 public:
  Coded(const Data& bytes, size_t piece_bytes) : bytes_(bytes), piece_bytes_(piece_bytes) {}

  ByteSource::Result read(uint64_t position, std::span<uint8_t> to) override {
    require(position >= consumed_ || position < 2);  // the first two are looked at before
    if (position >= bytes_.size()) return {State::kEnd, 0};
    const size_t count = std::min<size_t>({to.size(), bytes_.size() - position, piece_bytes_});
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(position), count, to.begin());
    return {State::kBytes, count};
  }
  void consumed(uint64_t position) override { consumed_ = std::max(consumed_, position); }
  uint64_t next_kept() const override { return consumed_; }
  int64_t size_bytes() const override { return -1; }
  bool is_finished() const override { return true; }
  uint64_t appended_bytes() const override { return bytes_.size(); }
  void checkpoint() override {}
  bool has_cpu_left() const override { return true; }
  void emit(int, uint32_t, std::span<const Item>) override {}
  void begin_again() override {}
  bool is_all_kept() const override { return false; }
  ProbeSettings probes() const override { return {}; }
  CoverageSettings coverage() const override { return {}; }
  Division division() const override { return {}; }
  double audio_seconds_max() const override { return 60; }
  uint64_t spool_bytes_max() const override { return 1 << 20; }

 private:
  const Data& bytes_;
  size_t piece_bytes_;
  uint64_t consumed_ = 0;
};

struct Reading {
  Data bytes;
  State end{};
  bool operator==(const Reading&) const = default;
};

// forgets: what was read is not needed any more.
Reading read(const Data& coded, StreamCoding coding, size_t piece_bytes, size_t step_bytes,
             bool forgets) {
  Coded source(coded, piece_bytes);
  InflatedStream stream(source, coding);
  Reading reading;
  Data step(step_bytes);
  for (;;) {
    const auto result = stream.read(reading.bytes.size(), step);
    if (result.state != State::kBytes) {
      reading.end = result.state;
      break;
    }
    require(result.bytes > 0 && result.bytes <= step.size());
    reading.bytes.insert(reading.bytes.end(), step.begin(),
                         step.begin() + static_cast<std::ptrdiff_t>(result.bytes));
    if (forgets) stream.consumed(reading.bytes.size());
  }
  require(reading.end == State::kEnd || reading.end == State::kBroken);
  require(reading.bytes.size() <= kInflateAlwaysBytes + coded.size() * kInflateRatioMax + 65'536);
  if (!forgets && !reading.bytes.empty()) {  // going back
    uint8_t first = 0;
    require(stream.read(0, {&first, 1}).bytes == 1 && first == reading.bytes.front());
  }
  return reading;
}

Data packed(const Data& plain, int window_bits) {
  z_stream stream{};
  require(deflateInit2(&stream, 1, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Data out(deflateBound(&stream, plain.size()));
  stream.next_in = const_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  require(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

void check(const Data& coded) {
  for (const StreamCoding coding : {StreamCoding::kGzip, StreamCoding::kDeflate}) {
    const Reading whole = read(coded, coding, coded.size() + 1, 5'000, false);
    require(read(coded, coding, 1, 3, false) == whole);
    require(read(coded, coding, 7, 4'096, true) == whole);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Data input(data, data + size);
  check(input);
  if (size < 8) return 0;
  const Data plain(data + 4, data + size);
  Data coded = packed(plain, data[0] % 2 == 0 ? MAX_WBITS : MAX_WBITS + 16);
  const Reading reading = read(coded, StreamCoding::kGzip, 11, 100, true);
  require(reading.end == State::kEnd && reading.bytes == plain);
  coded[data[1] % coded.size()] ^= data[2];
  if (data[3] % 4 == 0) coded.insert(coded.end(), coded.begin(), coded.end());
  if (data[3] % 4 == 1) coded.resize(coded.size() - data[3] % coded.size());
  check(coded);
  return 0;
}
