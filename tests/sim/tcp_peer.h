// One end of a TCP connection, small but real enough: handshake, retransmission (with other
// segment boundaries), fast retransmission, out-of-order reception, FIN, resets that are only
// believed at exactly the expected number (RFC 5961), protection against old segments (RFC 7323),
// closed windows with probes of one byte, and keep-alives.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/clock.h"
#include "dataplane/flow/flow_key.h"
#include "dataplane/tcp/segment_writer.h"
#include "tests/sim/random.h"

namespace soundgate::sim {

// How an end sends and receives; what it does to the connection is right in any case.
struct TcpHabits {
  bool timestamps = false;
  size_t segment_bytes_max = 1'300;
  std::vector<uint64_t> cuts;       // offsets at which a segment ends
  double repeats = 0;               // chance that a segment is followed by one that overlaps it
  double decoys = 0;                // that it is preceded by one that the other end does not take
  bool keeps_alive = false;         // while idle, with and without a byte of garbage
  double stalls = 0;                // that its window closes for a while when data comes
  std::vector<uint16_t> vlan_tags;  // at most two
};

class TcpPeer {
 public:
  using Send = std::function<void(Bytes frame)>;
  // May change the payload that is about to be sent again, from this offset of the stream on.
  using Tamper = std::function<void(uint64_t offset, std::string& payload)>;

  TcpPeer(Side side, const FlowKey& key, TcpHabits habits, Random& random, Send send);

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
  bool is_old(const Frame& frame) const;
  void note_timestamp(const Frame& frame);
  void transmit(uint64_t offset, size_t bytes, bool again, Tick now);
  size_t up_to_cut(uint64_t offset, size_t bytes) const;
  void send_decoy(uint64_t offset, size_t bytes, Tick now);
  void send_segment(uint32_t sequence, uint8_t flags, Bytes payload, Tick now);
  void send_frame(SegmentFields fields, Bytes payload, bool short_lived);
  void acknowledge(Tick now);
  void retransmit(Tick now);
  void keep_alive(Tick now);
  uint32_t expected() const;
  uint64_t fin_unit() const { return fin_sent_ ? 1 : 0; }

  Side side_;
  FlowKey key_;
  TcpHabits habits_;
  Random& random_;
  Send send_;
  Tamper tamper_;
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
  uint64_t recovered_at_ = 0;  // what was on its way when something was lost: up to here
  Tick retransmit_at_{Tick::max()};
  Tick timeout_{};

  std::string in_;
  std::map<uint64_t, std::string> later_;  // out of order
  std::optional<uint64_t> other_fin_;
  bool peer_closed_ = false;
  uint32_t other_timestamp_ = 0;
  bool other_window_closed_ = false;
  Tick stalled_until_{};
  bool was_stalled_ = false;
  Tick keep_alive_at_{Tick::max()};
};

}  // namespace soundgate::sim
