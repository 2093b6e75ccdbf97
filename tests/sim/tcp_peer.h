// One end of a TCP connection, small but real enough: handshake, retransmission (with other
// segment boundaries), fast retransmission, out-of-order reception, FIN, and resets that are only
// believed at exactly the expected number (RFC 5961).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "dataplane/clock.h"
#include "dataplane/flow/flow_key.h"
#include "dataplane/tcp/segment_writer.h"
#include "tests/sim/random.h"

namespace soundgate::sim {

class TcpPeer {
 public:
  using Send = std::function<void(Bytes frame)>;
  // May change the payload that is about to be sent again, from this offset of the stream on.
  using Tamper = std::function<void(uint64_t offset, std::string& payload)>;

  TcpPeer(Side side, const FlowKey& key, bool timestamps, Random& random, Send send);

  void connect(Tick now);
  void on_frame(const Frame& frame, Tick now);
  void on_timer(Tick now);

  void write(const std::string& bytes) { out_ += bytes; }
  void close() { fin_wanted_ = true; }
  void abort(Tick now);
  void send_what_is_allowed(Tick now);
  void set_tamper(Tamper tamper) { tamper_ = std::move(tamper); }

  const std::string& received() const { return in_; }
  bool established() const { return established_; }
  bool was_reset() const { return reset_; }
  bool peer_closed() const { return peer_closed_; }
  bool all_acknowledged() const { return acknowledged_ == out_.size(); }

 private:
  void handle_ack(const Frame& frame, Tick now);
  void handle_payload(const Frame& frame, Tick now);
  void transmit(uint64_t offset, size_t bytes, bool again, Tick now);
  void send_segment(uint32_t sequence, uint8_t flags, Bytes payload, Tick now);
  void retransmit(Tick now);
  uint32_t expected() const;
  uint64_t fin_unit() const { return fin_sent_ ? 1 : 0; }

  Side side_;
  FlowKey key_;
  bool timestamps_;
  Random& random_;
  Send send_;
  Tamper tamper_;
  SegmentWriter writer_;
  LinkHeader link_;

  bool established_ = false;
  bool reset_ = false;
  uint32_t first_ = 0;        // sequence number of out_[0]
  uint32_t other_first_ = 0;  // of in_[0]
  std::string out_;
  uint64_t acknowledged_ = 0;
  uint64_t next_ = 0;
  bool fin_wanted_ = false;
  bool fin_sent_ = false;
  bool fin_acknowledged_ = false;
  bool syn_sent_ = false;
  int duplicate_acks_ = 0;
  Tick retransmit_at_{Tick::max()};
  Tick timeout_{};

  std::string in_;
  std::map<uint64_t, std::string> later_;  // out of order
  std::optional<uint64_t> other_fin_;
  bool peer_closed_ = false;
  uint32_t other_timestamp_ = 0;
};

}  // namespace soundgate::sim
