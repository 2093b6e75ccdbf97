// A stream as it is without its coding (gzip, deflate). Positions count what comes out.
// Bytes that are not coded, though they are said to be gzip, are taken as they are: so does an
// origin that does not look at what is said.
// Bounded: kInflatedKeptBytesMax of a stream, and kInflatedWorkerBytesMax of all of a worker, are
// kept for a format that goes back; kInflateRatioMax times as much may come out as goes in.
// Errors: State::kBroken, for bytes that cannot be inflated, or into too much; kNoRoom.
// Thread: the stream's fiber.  Memory: the heap; nothing throws.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "fingerprint/decode/worker/inflater.h"
#include "fingerprint/decode/worker/stream_task.h"

namespace soundgate::decode {

class InflatedStream final : public StreamContext {
 public:
  InflatedStream(StreamContext& coded, StreamCoding coding) : coded_(coded), coding_(coding) {}
  ~InflatedStream() override;

  ByteSource::Result read(uint64_t position, std::span<uint8_t> to) override;
  uint64_t next_kept() const override { return is_plain_ ? coded_.next_kept() : kept_from_; }
  int64_t size_bytes() const override { return -1; }
  bool is_finished() const override { return coded_.is_finished(); }
  uint64_t appended_bytes() const override {
    return is_plain_ ? coded_.appended_bytes() : inflated_bytes_;
  }
  void consumed(uint64_t position) override;
  void checkpoint() override { coded_.checkpoint(); }
  bool has_cpu_left() const override { return coded_.has_cpu_left(); }
  void emit(int view, uint32_t first_item, std::span<const Item> items) override {
    coded_.emit(view, first_item, items);
  }
  void begin_again() override {}  // it goes on only: what came out before is gone
  bool is_all_kept() const override { return false; }
  ProbeSettings probes() const override { return coded_.probes(); }
  CoverageSettings coverage() const override { return coded_.coverage(); }
  Division division() const override { return coded_.division(); }
  double audio_seconds_max() const override { return coded_.audio_seconds_max(); }
  uint64_t spool_bytes_max() const override { return coded_.spool_bytes_max(); }

 private:
  using State = ByteSource::State;
  static constexpr size_t kPieceBytes = size_t{16} << 10;
  using Piece = std::vector<uint8_t>;  // of kPieceBytes, but the last one

  State begin();
  State inflate_more();
  bool is_out_of_proportion() const;
  State read_coded();
  Piece* room();
  void drop_front();

  StreamContext& coded_;
  StreamCoding coding_;
  bool has_begun_ = false;
  bool is_plain_ = false;  // not coded after all
  std::unique_ptr<Inflater> inflater_;
  std::vector<uint8_t> input_;  // read and not inflated yet, from input_used_ on
  size_t input_used_ = 0;
  uint64_t coded_bytes_ = 0;     // read so far
  uint64_t inflated_bytes_ = 0;  // made so far
  uint64_t needed_from_ = 0;
  uint64_t kept_from_ = 0;  // where pieces_ begins
  std::deque<Piece> pieces_;
};

}  // namespace soundgate::decode
