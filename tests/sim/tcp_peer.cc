#include "tests/sim/tcp_peer.h"

#include <algorithm>

#include "dataplane/tcp/sequence.h"

namespace soundgate::sim {
namespace {

constexpr uint64_t kWindowBytes = 24'000;
constexpr size_t kSegmentBytes = 1'300;
constexpr Tick kFirstTimeout = std::chrono::milliseconds(200);
constexpr Tick kTimeoutMax = std::chrono::seconds(2);

}  // namespace

TcpPeer::TcpPeer(Side side, const FlowKey& key, bool timestamps, Random& random, Send send)
    : side_(side), key_(key), timestamps_(timestamps), random_(random), send_(std::move(send)) {
  first_ = static_cast<uint32_t>(random_.chance(0.3) ? 0xFFFF'FFFF - random_.below(20'000)
                                                     : random_.below(1ull << 32));
  link_.bytes = 14;
  link_.data[0] = std::byte{2};
  link_.data[12] = key.ipv6 ? std::byte{0x86} : std::byte{0x08};
  link_.data[13] = key.ipv6 ? std::byte{0xDD} : std::byte{0x00};
}

uint32_t TcpPeer::expected() const {
  return sequence_of(in_.size(), other_first_) + (peer_closed_ ? 1 : 0);
}

void TcpPeer::send_segment(uint32_t sequence, uint8_t flags, Bytes payload, Tick now) {
  SegmentFields fields;
  fields.sequence = sequence;
  fields.acknowledgment = (flags & kAck) != 0 ? expected() : 0;
  fields.flags = flags;
  fields.window = 500;
  if (timestamps_) {
    fields.timestamps =
        Timestamps{static_cast<uint32_t>(now / std::chrono::milliseconds(1)), other_timestamp_};
  }
  const Side to = side_ == Side::kClient ? Side::kOrigin : Side::kClient;
  send_(writer_.write(key_, link_, to, fields, payload));
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
  if (timestamps_) {
    if (const auto found = parse_tcp_options(frame.options()).timestamps) {
      other_timestamp_ = std::max(other_timestamp_, found->value);
    }
  }
  if (frame.has(kSyn)) {
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
  if (side_ == Side::kOrigin) established_ = true;
  if (!established_) return;
  handle_ack(frame, now);
  if (frame.payload_bytes > 0 || frame.has(kFin)) handle_payload(frame, now);
  send_what_is_allowed(now);
}

void TcpPeer::handle_ack(const Frame& frame, Tick now) {
  const uint64_t seen = offset_of(frame.acknowledgment, first_, acknowledged_);
  if (before(next_ + fin_unit(), seen)) return;
  if (before(acknowledged_, seen)) {
    if (fin_sent_ && seen == out_.size() + 1) fin_acknowledged_ = true;
    acknowledged_ = std::min<uint64_t>(seen, out_.size());
    duplicate_acks_ = 0;
    timeout_ = kFirstTimeout;
    const bool waiting = acknowledged_ < next_ || (fin_sent_ && !fin_acknowledged_);
    retransmit_at_ = waiting ? now + timeout_ : Tick::max();
  } else if (frame.payload_bytes == 0 && acknowledged_ < next_ && ++duplicate_acks_ == 3) {
    transmit(acknowledged_, kSegmentBytes, true, now);
  }
}

void TcpPeer::handle_payload(const Frame& frame, Tick now) {
  const uint64_t offset = offset_of(frame.sequence, other_first_, in_.size());
  const Bytes payload = frame.payload();
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
  send_segment(sequence_of(next_, first_) + static_cast<uint32_t>(fin_unit()), kAck, {}, now);
}

void TcpPeer::transmit(uint64_t offset, size_t bytes, bool again, Tick now) {
  std::string payload = out_.substr(offset, bytes);
  if (again && tamper_) tamper_(offset, payload);
  const bool last = offset + payload.size() == out_.size();
  const bool fin = fin_wanted_ && last;
  if (fin) fin_sent_ = true;
  send_segment(sequence_of(offset, first_), fin ? kAck | kFin : kAck,
               std::as_bytes(std::span(payload)), now);
  next_ = std::max(next_, offset + payload.size());
}

void TcpPeer::send_what_is_allowed(Tick now) {
  if (!established_ || reset_) return;
  bool sent = false;
  while (next_ < out_.size() && next_ - acknowledged_ < kWindowBytes) {
    const size_t bytes = random_.chance(0.2) ? random_.between(1, kSegmentBytes) : kSegmentBytes;
    transmit(next_, bytes, false, now);
    sent = true;
  }
  if (fin_wanted_ && !fin_sent_ && next_ == out_.size()) {
    transmit(next_, 0, false, now);
    sent = true;
  }
  if (sent && retransmit_at_ == Tick::max()) {
    timeout_ = kFirstTimeout;
    retransmit_at_ = now + timeout_;
  }
}

void TcpPeer::on_timer(Tick now) {
  if (reset_ || now < retransmit_at_) return;
  timeout_ = std::min(timeout_ * 2, kTimeoutMax);
  retransmit_at_ = now + timeout_;
  retransmit(now);
}

void TcpPeer::retransmit(Tick now) {
  if (!established_) {
    if (syn_sent_) send_segment(first_ - 1, kSyn, {}, now);
    return;
  }
  if (acknowledged_ < next_) {
    // Sometimes in other pieces than before, sometimes from a little earlier.
    const uint64_t back = random_.chance(0.1) ? std::min<uint64_t>(acknowledged_, 100) : 0;
    transmit(acknowledged_ - back, random_.between(1, kSegmentBytes), true, now);
    if (random_.chance(0.3)) {
      const uint64_t ahead = std::min<uint64_t>(next_, acknowledged_ + random_.below(6'000));
      if (ahead < next_) transmit(ahead, random_.between(1, kSegmentBytes), true, now);
    }
  } else if (fin_sent_ && !fin_acknowledged_) {
    transmit(out_.size(), 0, true, now);
  } else {
    retransmit_at_ = Tick::max();
  }
}

}  // namespace soundgate::sim
