// One stream at work: a fiber that reads the stream's bytes as if they were all there, and is put
// aside whenever they are not, or when its time slice is over.
// Thread: the worker's only one. The body runs on the fiber, everything else on the scheduler.
// Memory: kFiberStackBytes behind a guard page, from start to end.
// Source: Boost.Context 1.74.
#pragma once

#include <boost/context/fiber.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "fingerprint/decode/shared/cpu_budget.h"
#include "fingerprint/decode/shared/packets_answer.h"
#include "fingerprint/decode/worker/byte_source.h"
#include "fingerprint/decode/worker/results_writer.h"

namespace soundgate::decode {

// What a body sees of its stream.
class StreamContext {
 public:
  virtual ~StreamContext() = default;

  // Waits for bytes: the state is never kNotYet, and kNoRoom only if waiting would not help.
  virtual ByteSource::Result read(uint64_t position, std::span<uint8_t> to) = 0;
  virtual uint64_t next_kept() const = 0;
  virtual int64_t size_bytes() const = 0;       // -1: unknown
  virtual StreamCoding coding() const { return StreamCoding::kNone; }
  virtual bool is_finished() const = 0;         // no more will be appended; asked first
  virtual uint64_t appended_bytes() const = 0;  // so far
  // What lies before is not needed any more, and what of it has not come yet never will be.
  virtual void consumed(uint64_t position) = 0;
  virtual void checkpoint() = 0;          // call it often: others want to work, too
  virtual bool has_cpu_left() const = 0;  // or else it must end
  // view: fingerprint.h.
  virtual void emit(int view, uint32_t first_item, std::span<const Item> items) = 0;
  // All that was emitted is void: the stream is decoded once more, from its first byte. Only where
  // a closer look was asked for, and once.
  virtual void begin_again() = 0;
  virtual bool is_all_kept() const = 0;  // what was consumed, too: it can be read once more
  virtual ProbeSettings probes() const = 0;
  virtual CoverageSettings coverage() const = 0;  // which may grow
  virtual Division division() const = 0;          // which may begin, once
  virtual double audio_seconds_max() const = 0;
  virtual uint64_t spool_bytes_max() const = 0;

  // Digests of packets (README, Known uploads). The key to make them with; null: nobody wants them.
  virtual const exact::DigestKey* packets_key() const { return nullptr; }
  // For a first look at the stream. From here on nothing counts as consumed, so that decoding can
  // begin with the first byte; reading stops (kStopped) where more than so much would have to be
  // kept, or others need the room. let_go() ends it.
  virtual void hold_back(uint64_t /*bytes_max*/) {}
  virtual void let_go() {}
  virtual uint64_t held_bytes_max() const { return 0; }  // of a known upload
  // Whether packets that begin so are known. The answer comes later; it is about all checkpoints
  // asked for so far.
  virtual void ask_packets(const ResultPackets& /*digest*/) {}
  enum class Answer : uint8_t { kNone, kKnown, kUnknown };
  virtual Answer packets_answer(uint32_t /*checkpoint*/) const { return Answer::kUnknown; }
  virtual Answer await_packets_answer(uint32_t /*checkpoint*/) { return Answer::kUnknown; }
  // What is decoded has packets of this digest.
  virtual void say_packets(const ResultPackets& /*digest*/) {}
};

// Decodes a stream. What it returns is ignored when nobody wants it any more.
using StreamBody = std::function<ResultEnd(StreamContext&)>;

class StreamTask : private StreamContext {
 public:
  StreamTask(const PayloadView& payload, ResultsWriter& results, uint32_t slot, uint32_t generation,
             const StreamBody& body);

  // What is said of a stream that nobody wants to know of any more, and that was not begun.
  static ResultEntry dropped(uint32_t slot, uint32_t generation);

  bool can_run();
  // No more bytes follow; and there are few that it has not read yet.
  bool is_finished() const override { return source_.is_finished(); }
  bool is_ending() const { return is_finished() && rest_bytes() <= kEndingBytesMax; }
  uint64_t rest_bytes() const;
  // Until it has to wait or its slice is over; false: it has ended.
  bool run(std::chrono::microseconds slice);

 private:
  ByteSource::Result read(uint64_t position, std::span<uint8_t> to) override;
  uint64_t next_kept() const override { return source_.next_kept(); }
  int64_t size_bytes() const override { return source_.size_bytes(); }
  StreamCoding coding() const override { return source_.coding(); }
  uint64_t appended_bytes() const override { return source_.appended_bytes(); }
  void consumed(uint64_t position) override;
  void checkpoint() override;
  bool has_cpu_left() const override { return cpu_.is_left(); }
  void emit(int view, uint32_t first_item, std::span<const Item> items) override;
  void begin_again() override;
  bool is_all_kept() const override {
    return source_.next_kept() <= kHeaderBlocks * uint64_t{kBlockBytes};
  }
  ProbeSettings probes() const override { return source_.probes(); }
  CoverageSettings coverage() const override { return source_.coverage(); }
  Division division() const override { return source_.division(); }
  double audio_seconds_max() const override { return payload_.header().audio_seconds_max; }
  uint64_t spool_bytes_max() const override { return payload_.header().spool_bytes_max; }
  const exact::DigestKey* packets_key() const override;
  void hold_back(uint64_t bytes_max) override { held_bytes_max_ = bytes_max; }
  void let_go() override;
  uint64_t held_bytes_max() const override;
  void ask_packets(const ResultPackets& digest) override;
  Answer packets_answer(uint32_t checkpoint) const override;
  Answer await_packets_answer(uint32_t checkpoint) override;
  void say_packets(const ResultPackets& digest) override;

  bool must_let_go() const;
  bool must_wait(ByteSource::State state) const;
  void wait_at(uint64_t position);
  void wait_for_room();
  void report_consumed();
  void report(const ResultEntry& entry, uint32_t plain_items);
  ResultEntry entry(ResultKind kind) const;
  void push_end(const ResultEnd& end);

  const PayloadView& payload_;
  ResultsWriter& results_;
  ByteSource source_;
  uint32_t slot_;
  uint32_t generation_;
  uint64_t read_to_ = 0;
  CpuBudget cpu_;         // as it was before this slice
  uint64_t seen_to_ = 0;  // the furthest it has read so far
  uint64_t needed_from_ = 0;
  uint64_t consumed_ = 0;  // of what has come, what lies before needed_from_
  uint64_t reported_ = 0;  // of consumed_
  bool waiting_ = false;
  uint64_t wanted_ = 0;                     // while waiting
  bool wants_room_ = false;                 // for probe items; others may go on meanwhile
  std::optional<uint64_t> held_bytes_max_;  // while it is held back
  uint64_t held_to_ = 0;                    // what would count as consumed
  std::optional<uint32_t> asks_;            // while it waits for an answer: the checkpoint
  std::chrono::steady_clock::time_point slice_end_{};
  uint32_t finish_sequence_ = 0;  // when the slice began
  boost::context::fiber scheduler_;
  boost::context::fiber fiber_;
};

}  // namespace soundgate::decode
