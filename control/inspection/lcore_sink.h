// Takes the bytes of uploads from one lcore into the decoders, and brings decisions back.
// Thread: the owning lcore; no call blocks, locks or allocates, unless it may wait for room: a
//   replay has time, packets that pass have not.
// Errors: no slot or no free payload block is kOverload; no decoder with room is kEnough, and the
//   fail policy of decoder_overload decides.
#pragma once

#include <array>

#include "control/inspection/key_table.h"
#include "control/inspection/upload_channel.h"
#include "dataplane/upload_sink.h"
#include "fingerprint/decode/decoder_pool.h"

namespace soundgate {

class LcoreSink : public UploadSink {
 public:
  // refused_blocks: the fail policy of decoder_overload. seed: for the ids of uploads. patience:
  // how long a call may wait for room.
  LcoreSink(UploadChannel& channel, StreamProducer& producer, bool refused_blocks, uint64_t seed,
            std::chrono::milliseconds patience = {});

  Scarce scarce() override;
  SinkResult begin(const UploadStart& start) override;
  SinkResult append(UploadKey key, std::span<const std::byte> body) override;
  void finish(UploadKey key, WallTime last_byte) override;
  void gate_closed(const GateReport& report) override;
  size_t poll_decisions(std::span<GateDecision> decisions) override;

 private:
  struct Stream {
    StreamHandle handle{};  // 0: none, or over
    uint32_t use = 0;       // how often the slot was taken
    bool end_follows = false;
  };
  template <class Attempt>
  bool in_time(const Attempt& attempt);
  void fill(UploadSlot& slot, const UploadStart& start);
  void announce(const UploadEvent& event);
  tl::expected<StreamHandle, DecodeOutcome> begin_stream(const UploadStart& start, uint64_t tag);
  void cancel(Stream& stream);
  void mark_finished(UploadSlot& slot);

  UploadChannel& channel_;
  StreamProducer& producer_;
  const bool refused_blocks_;
  const std::chrono::milliseconds patience_;
  bool gave_up_ = false;  // the last time that it waited
  UploadIdMaker ids_;
  KeyTable open_;
  std::array<Stream, kUploadSlotsPerLcore> streams_{};
  SpscRing<GateDecision> own_decisions_{kDecisionRingEntries};  // where the verdict came first
};

}  // namespace soundgate
