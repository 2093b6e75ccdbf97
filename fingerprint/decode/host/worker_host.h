// One worker place as the collector sees it: the process that works there now, the streams it works
// on, and what becomes of them when it says something, says nonsense, stalls or dies.
// Thread: the collector, but for what Status reads.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fingerprint/decode/decoder_pool.h"
#include "fingerprint/decode/host/merger.h"
#include "fingerprint/decode/host/pool_counters.h"
#include "fingerprint/decode/host/results_reader.h"
#include "fingerprint/decode/host/worker_memory.h"
#include "fingerprint/decode/host/worker_process.h"
#include "fingerprint/exact/known_uploads.h"

namespace soundgate::decode {

class WorkerHost {
 public:
  using Clock = std::chrono::steady_clock;

  // known: null where nothing is remembered.
  WorkerHost(WorkerMemory& memory, DecodeListener& listener, Merger& merger, PoolCounters& counters,
             uint32_t items_max, exact::KnownUploads* known = nullptr);

  // Makes what the next process will need. Errors: the system's, in words; try again later.
  [[nodiscard]] tl::expected<void, std::string> prepare();
  // Then: puts a fresh process to work; every live stream is started again from its first byte.
  void attach(WorkerProcess process, Clock::time_point now);
  bool has_process() const { return process_.has_value(); }
  bool is_ready() const { return ready_; }  // it has shown a sign of life
  int pidfd() const { return process_->pidfd(); }
  int socket() const { return process_->socket(); }
  const Doorbell& doorbell() const { return memory_.doorbell(); }

  // Says what is known of streams that are put off, and ends the finished ones that are known; the
  // other finished ones are decoded.
  void answer_questions(Clock::time_point now);
  // Takes what the worker has written; kills it if that is nonsense.
  void drain();
  // Kills a worker that has shown no sign of life for stall_max.
  void check_stall(Clock::time_point now, std::chrono::milliseconds stall_max);
  // Kills a worker that has said nothing for silence_max of a stream that it has all bytes of.
  void check_silence(Clock::time_point now, std::chrono::milliseconds silence_max);
  // Kills a worker that has used more CPU than its streams together may; at each kTick.
  void check_cpu();
  // Its process is dead: settles its streams. Returns how it died.
  std::string bury();
  Clock::time_point attached_at() const { return attached_at_; }

  int pid() const { return pid_.load(std::memory_order_relaxed); }
  uint64_t restarts() const { return restarts_.load(std::memory_order_relaxed); }
  int streams() const { return memory_.streams.load(std::memory_order_relaxed); }

 private:
  enum class Trust : uint8_t { kFull, kStalled, kGreedy, kBroken };
  struct Stream {
    StreamProgress progress{};            // of the process at work
    PerView<uint32_t> delivered_items{};  // up to there, to the listener, by all processes
    uint32_t gap_items = 0;               // between plain ones
    uint32_t resumes = 0;
    bool begun_again = false;  // for a closer look
    bool heard = true;         // of it, since the last look
    Clock::time_point last_heard{};
    DecodeEnd partial{};   // what is known if it has to end early
    bool settled = false;  // its bytes were known: its listener has heard all
    std::array<std::vector<Item>, kBandCount>
        told{};                         // from memory, of each band from its first on
    exact::Recording recording{};       // to be remembered,
    bool unrecorded = false;            // unless there was no room for it, or it is a part
    exact::PacketDigests packets{};     // of the process at work,
    bool packets_are_all_said = false;  // all of them
    bool packets_put_off = false;       // while it asked, they were known
    uint64_t division = 0;              // SlotControl
    Division part{};
  };
  // How far a stream with a known beginning has come.
  struct Extent {
    uint64_t blocks = kReadAll;
    uint32_t checkpoint = kAllPackets;  // of packets
  };

  void condemn(Trust why);
  bool take_waiting();                  // false: nonsense
  bool take(const ResultEntry& entry);  // false: nonsense
  void begin_again(uint32_t slot, Stream& stream);
  void deliver(uint32_t slot, Stream& stream, const ItemsResult& result);
  size_t tell(uint32_t slot, Stream& stream, int view, uint32_t first_item,
              std::span<const Item> items);  // how many
  void hand_over(uint32_t slot, const Stream& stream, int view, uint32_t first_item,
                 std::span<const Item> items);
  void note_division(uint32_t slot, Stream& stream);
  void answer(const Question& question, Clock::time_point now);
  bool tell_known(uint32_t slot, Stream& stream, const exact::Recording& recording,
                  const Extent& extent);  // false: it was told something else before
  bool settle(uint32_t slot, Stream& stream, const exact::Recording& recording,
              const DecodeEnd& end);  // likewise
  bool is_whole(uint32_t slot) const;
  void take_packets(uint32_t slot, Stream& stream, const PacketsResult& packets);
  bool answer_packets(uint32_t slot, Stream& stream, const PacketsResult& asked);
  bool may_put_off(uint32_t slot, const PacketsResult& asked, const DecodeEnd& known) const;
  void count_caught_up(const Stream& stream);
  void record(Stream& stream, const ItemsResult& result);
  void forget_recording(Stream& stream);
  void remember(uint32_t slot, Stream& stream, const DecodeEnd& end);
  void remember_division(uint32_t slot, const Stream& stream);
  void count(Stream& stream, uint32_t first_new, uint32_t end);
  void end_as_said(uint32_t slot, Stream& stream, DecodeEnd end);
  void end(uint32_t slot, const DecodeEnd& end);
  Stream& look_up(uint32_t slot);
  void end_suspect(uint64_t mark);
  DecodeOutcome outcome_of_suspect() const;
  void restart_streams();
  bool is_all_kept(uint32_t slot) const;  // of its bytes
  CpuTime cpu_allowance() const;          // of each stream
  void charge_cpu();
  static bool contradicts(const Stream& stream, const ItemsResult& result);
  void drop_contradicted(uint32_t slot, Stream& stream);
  static bool has_its_probes(const Stream& stream);
  bool is_unwanted(uint32_t slot) const;

  WorkerMemory& memory_;
  DecodeListener& listener_;
  Merger& merger_;  // of uploads that other workers share
  PoolCounters& counters_;
  uint32_t items_max_;
  exact::KnownUploads* known_;
  uint64_t maker_ = 0;           // of what the process at work makes
  std::vector<Stream> streams_;  // one per slot
  int live_streams_ = 0;         // that have been seen, of those

  std::optional<SharedMemory> results_;
  std::optional<ResultsReader> reader_;
  std::optional<WorkerProcess> process_;
  bool ready_ = false;
  Trust trust_ = Trust::kFull;
  uint64_t suspect_ = 0;  // running_mark() of the stream that it was condemned for
  uint64_t heartbeat_ = 0;
  CpuBudget cpu_{CpuTime::zero()};  // of all streams, and one allowance to spare
  CpuTime cpu_used_{};
  Clock::time_point last_sign_{};
  Clock::time_point attached_at_{};
  std::atomic<int> pid_{0};
  std::atomic<uint64_t> restarts_{0};
};

}  // namespace soundgate::decode
