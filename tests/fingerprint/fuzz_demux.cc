// Fuzzes the path of hostile bytes: StreamIo → Demuxer → AudioDecoder → Resampler → items, in
// pieces, with gaps as a worker finds them that takes over, and streams that stop in mid-file.
// Whatever the bytes are, what an honest worker says of them is what the host believes.
// Input: a file; its last four bytes say how it is handed out (Delivery).
// Under clang it is a libFuzzer target; elsewhere fuzz_replay.cc runs it over its corpus.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "fingerprint/decode/host/result_check.h"
#include "fingerprint/decode/worker/decode_stream.h"

namespace {

using namespace soundgate;
using namespace soundgate::decode;
using State = ByteSource::State;

constexpr double kAudioSeconds = 20;
constexpr uint64_t kSpoolBytes = 8 << 10;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Delivery {
  uint8_t piece;      // of up to 16 times as many bytes, and one more
  uint8_t gap_begin;  // in 256ths of the file
  uint8_t gap_count;  // likewise; 0: no gap
  uint8_t flags;

  static Delivery take_from(std::span<const uint8_t>& bytes) {
    Delivery delivery;
    std::memcpy(&delivery, bytes.last(sizeof delivery).data(), sizeof delivery);
    bytes = bytes.first(bytes.size() - sizeof delivery);
    return delivery;
  }
  bool announces_size() const { return flags & 1; }
  bool announces_more() const { return flags & 2; }
  bool probes() const { return flags & 4; }
  bool forgets_what_is_consumed() const { return flags & 8; }
  bool is_cancelled() const { return flags & 16; }  // at its end
  bool has_no_room() const { return flags & 32; }   // likewise
  bool runs_out_of_cpu() const { return flags & 64; }
  bool is_sparse() const { return flags & 128; }
  bool is_looked_closer_at() const { return is_sparse() && piece & 1; }  // after some reads
};

class HandedOut : public StreamContext {
 public:
  HandedOut(std::span<const uint8_t> bytes, const Delivery& delivery)
      : bytes_(bytes),
        delivery_(delivery),
        gap_begin_(bytes.size() * delivery.gap_begin / 256),
        gap_end_(std::min(gap_begin_ + bytes.size() * delivery.gap_count / 256, bytes.size())) {}

  ByteSource::Result read(uint64_t position, std::span<uint8_t> to) override {
    ++reads_;
    if (position >= bytes_.size()) return {after_the_end(), 0};
    if (is_gone(position)) return {State::kEvicted, 0};
    const uint64_t kept_to = position < gap_begin_ ? gap_begin_ : bytes_.size();
    const uint64_t count =
        std::min<uint64_t>({to.size(), kept_to - position, 1u + 16u * delivery_.piece});
    std::copy_n(bytes_.data() + position, count, to.data());
    return {State::kBytes, static_cast<size_t>(count)};
  }
  uint64_t next_kept() const override {
    return std::max(gap_end_, delivery_.forgets_what_is_consumed() ? consumed_ : 0);
  }
  int64_t size_bytes() const override {
    const auto size = static_cast<int64_t>(bytes_.size());
    return delivery_.announces_more() ? 3 * size : delivery_.announces_size() ? size : -1;
  }
  bool is_finished() const override { return after_the_end() == State::kEnd; }
  uint64_t appended_bytes() const override { return bytes_.size(); }
  void consumed(uint64_t position) override {
    if (is_held_back_) return;
    consumed_ = std::max(consumed_, std::min<uint64_t>(position, bytes_.size()));
  }
  void checkpoint() override {}
  bool has_cpu_left() const override { return !delivery_.runs_out_of_cpu() || reads_ < 100; }
  void emit(int view, uint32_t first_item, std::span<const Item> items) override {
    while (!items.empty()) {
      ResultEntry entry = make_entry(ResultKind::kItems);
      entry.view = view;
      entry.read_blocks = 1;
      entry.first_item = first_item;
      entry.item_count = static_cast<uint32_t>(std::min<size_t>(items.size(), kItemsPerEntry));
      std::copy_n(items.begin(), entry.item_count, entry.items);
      say(entry);
      first_item += entry.item_count;
      host_.next_item[view] = first_item;
      items = items.subspan(entry.item_count);
    }
  }
  ProbeSettings probes() const override {
    return {.step_max = delivery_.probes() ? host_.probe_step_max : 0, .cpu_share = 1};
  }
  void begin_again() override {
    say(make_entry(ResultKind::kAgain));
    host_.next_item = {};
  }
  bool is_all_kept() const override {
    return gap_begin_ == gap_end_ && !delivery_.forgets_what_is_consumed();
  }
  CoverageSettings coverage() const override {
    if (delivery_.is_looked_closer_at() && reads_ > 8) return {};
    return {.share = host_.is_sparse ? 0.1 : 1, .period_seconds = CoverageSettings::kPeriodMin};
  }
  Division division() const override { return {}; }
  double audio_seconds_max() const override { return kAudioSeconds; }
  uint64_t spool_bytes_max() const override { return kSpoolBytes; }
  const exact::DigestKey* packets_key() const override { return &key_; }
  void hold_back(uint64_t bytes_max) override {
    require(bytes_max <= held_bytes_max());
    is_held_back_ = true;
  }
  void let_go() override { is_held_back_ = false; }
  uint64_t held_bytes_max() const override { return kSpoolBytes; }
  void ask_packets(const ResultPackets& digest) override {
    say_digest(ResultKind::kPacketsAsked, digest);
    host_.next_packets_asked = digest.checkpoint + 1;
  }
  // Of some files it is known how they begin, of none how they end.
  Answer packets_answer(uint32_t checkpoint) const override {
    const bool known = delivery_.piece % 2 == 0 && checkpoint != kAllPackets;
    return known ? Answer::kKnown : Answer::kUnknown;
  }
  Answer await_packets_answer(uint32_t checkpoint) override { return packets_answer(checkpoint); }
  void say_packets(const ResultPackets& digest) override {
    say_digest(ResultKind::kPacketsSaid, digest);
    host_.next_packets_said = digest.checkpoint + 1;
  }

  void end(const ResultEnd& how) {
    ResultEntry entry = make_entry(ResultKind::kEnded);
    entry.end = how;
    say(entry);
  }

 private:
  State after_the_end() const {
    if (delivery_.is_cancelled()) return State::kStopped;
    return delivery_.has_no_room() ? State::kNoRoom : State::kEnd;
  }
  bool is_gone(uint64_t position) const {
    return (position >= gap_begin_ && position < gap_end_) ||
           (delivery_.forgets_what_is_consumed() && position < consumed_);
  }
  ResultEntry make_entry(ResultKind kind) const {
    ResultEntry entry{};
    entry.kind = kind;
    entry.generation = host_.generation;
    entry.consumed_bytes = consumed_;
    return entry;
  }
  void say_digest(ResultKind kind, const ResultPackets& digest) {
    ResultEntry entry = make_entry(kind);
    entry.packets = digest;
    say(entry);
  }
  // As the host hears it.
  void say(const ResultEntry& entry) {
    require(check_result(entry, host_).has_value());
    host_.consumed_bytes = consumed_;
  }

  std::span<const uint8_t> bytes_;
  Delivery delivery_;
  uint64_t gap_begin_, gap_end_;
  uint64_t consumed_ = 0;
  int reads_ = 0;
  bool is_held_back_ = false;
  exact::DigestKey key_;
  // As pool.cc allows for so much audio.
  StreamProgress host_{.generation = 1,
                       .probe_step_max = 1,
                       .is_sparse = delivery_.is_sparse(),
                       .may_begin_again = delivery_.is_looked_closer_at(),
                       .items_max = static_cast<uint32_t>(kAudioSeconds / kItemSeconds) + 64,
                       .appended_bytes = bytes_.size(),
                       .is_finished = is_finished(),
                       .remembers_packets = true};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::span bytes(data, size);
  if (size < sizeof(Delivery)) return 0;
  const Delivery delivery = Delivery::take_from(bytes);
  HandedOut stream(bytes, delivery);
  stream.end(decode_stream(stream));
  return 0;
}
