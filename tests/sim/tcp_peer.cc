#include "tests/sim/tcp_peer.h"

#include <algorithm>

#include "dataplane/tcp/sequence.h"
#include "tests/dataplane/frame_maker.h"

namespace soundgate::sim {
namespace {

constexpr uint64_t kWindowBytes = 24'000;
constexpr uint16_t kWindow = 500;  // stands for kWindowBytes
constexpr Tick kFirstTimeout = std::chrono::milliseconds(200);
constexpr Tick kTimeoutMax = std::chrono::seconds(2);
constexpr Tick kKeepAlive = std::chrono::milliseconds(300);
constexpr uint64_t kStallMsMax = 1'500;
constexpr uint32_t kLongAgoMs = 1'000'000;
// What the clock of timestamps says: it wraps after 4 s.
uint32_t time_ms(Tick now) {
  return 0xFFFF'F000u + static_cast<uint32_t>(now / std::chrono::milliseconds(1));
}

}  // namespace

TcpPeer::TcpPeer(Side side, const FlowKey& key, TcpHabits habits, Random& random, Send send)
    : side_(side), key_(key), habits_(std::move(habits)), random_(random), send_(std::move(send)) {
  first_ = static_cast<uint32_t>(random_.chance(0.3) ? 0xFFFF'FFFF - random_.below(20'000)
                                                     : random_.below(1ull << 32));
  size_t at = 12;
  link_.data[0] = std::byte{2};
  for (const uint16_t tag : habits_.vlan_tags) {
    store16(link_.data, at, at == 12 && habits_.vlan_tags.size() == 2 ? 0x88A8 : 0x8100);
    store16(link_.data, at + 2, tag);
    at += 4;
  }
  store16(link_.data, at, key.ipv6 ? 0x86DD : 0x0800);
  link_.bytes = static_cast<uint8_t>(at + 2);
}

uint32_t TcpPeer::expected() const {
  return sequence_of(in_.size(), other_first_) + (peer_closed_ ? 1 : 0);
}

void TcpPeer::send_segment(uint32_t sequence, uint8_t flags, Bytes payload, Tick now) {
  SegmentFields fields;
  fields.sequence = sequence;
  fields.acknowledgment = (flags & kAck) != 0 ? expected() : 0;
  fields.flags = flags;
  fields.window = now < stalled_until_ ? 0 : kWindow;
  if (habits_.timestamps) {
    fields.timestamps = Timestamps{time_ms(now), other_timestamp_};
  }
  send_frame(fields, payload, false);
}

// short_lived: no router after the first one passes it on.
void TcpPeer::send_frame(SegmentFields fields, Bytes payload, bool short_lived) {
  const Side to = side_ == Side::kClient ? Side::kOrigin : Side::kClient;
  std::vector<std::byte> frame = test::make_frame(key_, link_, to, fields, payload);
  if (short_lived) store8(frame, link_.bytes + (key_.ipv6 ? 7u : 8u), 1);
  send_(frame);
}

void TcpPeer::acknowledge(Tick now) {
  send_segment(sequence_of(next_, first_) + static_cast<uint32_t>(fin_unit()), kAck, {}, now);
}

void TcpPeer::connect(Tick now) {
  syn_sent_ = true;
  send_segment(first_ - 1, kSyn, {}, now);
  timeout_ = kFirstTimeout;
  retransmit_at_ = now + timeout_;
}

void TcpPeer::abort(Tick now) {
  send_segment(sequence_of(next_, first_) + static_cast<uint32_t>(fin_unit()), kRst | kAck, {},
               now);
  reset_ = true;
}

void TcpPeer::on_frame(const Frame& frame, Tick now) {
  if (reset_) {  // nobody is here any more
    if (!frame.has(kRst)) send_segment(frame.acknowledgment, kRst, {}, now);
    return;
  }
  if (frame.has(kSyn)) {
    note_timestamp(frame);
    const bool answer = side_ == Side::kClient;
    other_first_ = frame.sequence + 1;
    if (answer && !established_) {
      if (!frame.has(kAck) || frame.acknowledgment != first_) return;
      established_ = true;
      retransmit_at_ = Tick::max();
    }
    if (answer) send_segment(sequence_of(next_, first_), kAck, {}, now);
    if (!answer) send_segment(first_ - 1, kSyn | kAck, {}, now);
    send_what_is_allowed(now);
    return;
  }
  if (frame.has(kRst)) {
    if (frame.sequence == expected()) {
      reset_ = true;
    } else {
      send_segment(sequence_of(next_, first_), kAck, {}, now);  // a challenge
    }
    return;
  }
  if (!frame.has(kAck)) return;
  if (is_old(frame)) {
    if (frame.payload_bytes > 0) acknowledge(now);
    return;
  }
  note_timestamp(frame);
  if (side_ == Side::kOrigin) established_ = true;
  if (!established_) return;
  keep_alive_at_ = now + kKeepAlive;
  handle_ack(frame, now);
  const bool before_next = before(offset_of(frame.sequence, other_first_, in_.size()), in_.size());
  if (frame.payload_bytes > 0 || frame.has(kFin)) {
    handle_payload(frame, now);
  } else if (before_next) {
    acknowledge(now);  // a keep-alive
  }
  send_what_is_allowed(now);
}

bool TcpPeer::is_old(const Frame& frame) const {
  if (!habits_.timestamps || !established_) return false;
  const auto found = parse_tcp_options(frame.options()).timestamps;
  return found && static_cast<int32_t>(found->value - other_timestamp_) < 0;
}

// RFC 7323 section 4.3: of segments that are not in front of what is next.
void TcpPeer::note_timestamp(const Frame& frame) {
  const auto found = parse_tcp_options(frame.options()).timestamps;
  const bool in_order = frame.has(kSyn) || static_cast<int32_t>(frame.sequence - expected()) <= 0;
  const bool first = frame.has(kSyn) && !established_;
  const bool later = found && static_cast<int32_t>(found->value - other_timestamp_) > 0;
  if (found && in_order && (first || later)) other_timestamp_ = found->value;
}

void TcpPeer::handle_ack(const Frame& frame, Tick now) {
  const uint64_t seen = offset_of(frame.acknowledgment, first_, acknowledged_);
  if (before(next_ + fin_unit(), seen)) return;
  if (!before(seen, acknowledged_)) {
    if (other_window_closed_ && frame.window > 0 && acknowledged_ < next_) retransmit_at_ = now;
    other_window_closed_ = frame.window == 0;
  }
  if (before(acknowledged_, seen)) {
    if (fin_sent_ && seen == out_.size() + 1) fin_acknowledged_ = true;
    acknowledged_ = std::min<uint64_t>(seen, out_.size());
    duplicate_acks_ = 0;
    timeout_ = kFirstTimeout;
    const bool waiting = acknowledged_ < next_ || (fin_sent_ && !fin_acknowledged_);
    retransmit_at_ = waiting ? now + timeout_ : Tick::max();
    // NewReno: the next gap is known as soon as one is filled.
    if (acknowledged_ < std::min(next_, recovered_at_) && !other_window_closed_) {
      transmit(acknowledged_, habits_.segment_bytes_max, true, now);
    }
  } else if (frame.payload_bytes == 0 && acknowledged_ < next_ && ++duplicate_acks_ == 3) {
    recovered_at_ = next_;
    transmit(acknowledged_, habits_.segment_bytes_max, true, now);
  }
}

void TcpPeer::handle_payload(const Frame& frame, Tick now) {
  const uint64_t offset = offset_of(frame.sequence, other_first_, in_.size());
  const Bytes payload = frame.payload();
  if (now >= stalled_until_ && random_.chance(habits_.stalls)) {
    stalled_until_ = now + std::chrono::milliseconds(random_.below(kStallMsMax));
    was_stalled_ = true;
  }
  if (now < stalled_until_) {  // there is no room for it
    acknowledge(now);
    return;
  }
  if (frame.has(kFin)) other_fin_ = offset + payload.size();
  const std::string text(reinterpret_cast<const char*>(payload.data()), payload.size());
  const auto size = static_cast<uint64_t>(in_.size());
  if (!before(size, offset)) {
    if (before(size, offset + text.size())) in_ += text.substr(size - offset);
  } else if (!later_.contains(offset) || later_[offset].size() < text.size()) {
    later_[offset] = text;
  }
  for (auto it = later_.begin(); it != later_.end() && it->first <= in_.size();) {
    const uint64_t end = it->first + it->second.size();
    if (end > in_.size()) in_ += it->second.substr(in_.size() - it->first);
    it = later_.erase(it);
  }
  if (other_fin_ == in_.size()) peer_closed_ = true;
  acknowledge(now);
}

size_t TcpPeer::up_to_cut(uint64_t offset, size_t bytes) const {
  for (const uint64_t cut : habits_.cuts) {
    if (offset < cut) bytes = std::min<size_t>(bytes, cut - offset);
  }
  return bytes;
}

void TcpPeer::transmit(uint64_t offset, size_t bytes, bool again, Tick now) {
  if (random_.chance(habits_.decoys)) send_decoy(offset, bytes, now);
  std::string payload = out_.substr(offset, bytes);
  if (again && tamper_) tamper_(offset, payload);
  const bool last = offset + payload.size() == out_.size();
  const bool fin = fin_wanted_ && last;
  if (fin) fin_sent_ = true;
  send_segment(sequence_of(offset, first_), fin ? kAck | kFin : kAck,
               std::as_bytes(std::span(payload)), now);
  next_ = std::max(next_, offset + payload.size());
}

// Seen by all on the way, and taken by nobody: too old, or not far enough to go.
void TcpPeer::send_decoy(uint64_t offset, size_t bytes, Tick now) {
  std::string payload = out_.substr(offset, bytes);
  if (tamper_) tamper_(offset, payload);
  SegmentFields fields;
  fields.sequence = sequence_of(offset, first_);
  fields.acknowledgment = expected();
  fields.flags = kAck;
  fields.window = now < stalled_until_ ? 0 : kWindow;
  const bool old = habits_.timestamps && random_.chance(0.5);
  if (habits_.timestamps) {
    fields.timestamps = Timestamps{time_ms(now) - (old ? kLongAgoMs : 0), other_timestamp_};
  }
  send_frame(fields, std::as_bytes(std::span(payload)), !old);
}

void TcpPeer::send_what_is_allowed(Tick now) {
  if (!established_ || reset_) return;
  bool sent = false;
  const size_t most = habits_.segment_bytes_max;
  while (next_ < out_.size() && next_ - acknowledged_ < kWindowBytes && !other_window_closed_) {
    const size_t bytes = up_to_cut(next_, random_.chance(0.2) ? random_.between(1, most) : most);
    const uint64_t begin = next_;
    transmit(begin, bytes, false, now);
    if (random_.chance(habits_.repeats)) {
      const uint64_t from = begin - std::min(begin, random_.below(most));
      transmit(from, std::min<size_t>(random_.between(1, most), next_ - from), true, now);
    }
    sent = true;
  }
  if (fin_wanted_ && !fin_sent_ && next_ == out_.size()) {
    transmit(next_, 0, false, now);
    sent = true;
  }
  const bool waits = other_window_closed_ && next_ < out_.size();
  if ((sent || waits) && retransmit_at_ == Tick::max()) {
    timeout_ = kFirstTimeout;
    retransmit_at_ = now + timeout_;
  }
}

void TcpPeer::on_timer(Tick now) {
  if (reset_) return;
  if (was_stalled_ && now >= stalled_until_) {
    was_stalled_ = false;
    acknowledge(now);  // the window is open again
  }
  if (now >= keep_alive_at_) keep_alive(now);
  if (now < retransmit_at_) return;
  timeout_ = std::min(timeout_ * 2, kTimeoutMax);
  retransmit_at_ = now + timeout_;
  retransmit(now);
}

void TcpPeer::keep_alive(Tick now) {
  keep_alive_at_ = now + kKeepAlive;
  if (!habits_.keeps_alive || fin_sent_ || acknowledged_ < next_ || next_ < out_.size()) return;
  const std::byte garbage[] = {std::byte{0}};
  send_segment(sequence_of(next_, first_) - 1, kAck, Bytes(garbage).first(random_.below(2)), now);
}

void TcpPeer::retransmit(Tick now) {
  if (!established_) {
    if (syn_sent_) send_segment(first_ - 1, kSyn, {}, now);
    return;
  }
  const size_t most = habits_.segment_bytes_max;
  if (other_window_closed_ && acknowledged_ < out_.size()) {
    transmit(acknowledged_, 1, acknowledged_ < next_, now);  // a probe
  } else if (acknowledged_ < next_) {
    // Sometimes in other pieces than before, sometimes from a little earlier.
    recovered_at_ = next_;
    const uint64_t back = random_.chance(0.1) ? std::min<uint64_t>(acknowledged_, 100) : 0;
    transmit(acknowledged_ - back, back + random_.between(1, most), true, now);
    if (random_.chance(0.3)) {
      const uint64_t ahead = std::min<uint64_t>(next_, acknowledged_ + random_.below(6'000));
      if (ahead < next_) transmit(ahead, random_.between(1, most), true, now);
    }
  } else if (fin_sent_ && !fin_acknowledged_) {
    transmit(out_.size(), 0, true, now);
  } else {
    retransmit_at_ = Tick::max();
  }
}

}  // namespace soundgate::sim
