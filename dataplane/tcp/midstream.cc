#include "dataplane/tcp/midstream.h"

#include <algorithm>
#include <string_view>

#include "dataplane/flow/flow_life.h"
#include "dataplane/tcp/transmitter.h"

namespace soundgate {
namespace {

constexpr std::string_view kMethods[] = {"GET ",     "HEAD ",    "PUT ",   "POST ", "DELETE ",
                                         "OPTIONS ", "CONNECT ", "TRACE ", "PATCH "};

std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// As much of "PUT " as there is.
bool starts_with_method(std::string_view text) {
  return std::ranges::any_of(kMethods, [&](std::string_view method) {
    const size_t common = std::min(method.size(), text.size());
    return text.substr(0, common) == method.substr(0, common);
  });
}

bool is_of_a_line(char c) { return (c >= ' ' && c <= '~') || c == '\r'; }

// "PUT /path HTTP/1.1\r\n", all of it, or a piece of it that is all that the segment has.
bool starts_with_request_line(std::string_view text) {
  if (!starts_with_method(text)) return false;
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::ranges::all_of(text, is_of_a_line);
  const std::string_view line = text.substr(0, text[end - 1] == '\r' ? end - 1 : end);
  const size_t target = line.find(' ') + 1;
  const size_t version = line.rfind(" HTTP/1.");
  return version != std::string_view::npos && version > target &&
         version + std::string_view(" HTTP/1.1").size() == line.size();
}

bool is_later(uint32_t sequence, uint32_t than) {
  return static_cast<int32_t>(sequence - than) > 0;
}

// On a connection at rest the next request begins where the origin's acknowledgments end. What lies
// behind has to wait for it: passed on, it would hide it.
bool leaves_a_gap(const MidstreamWatch& watch, const Frame& frame) {
  const bool at_rest = watch.client_seen && watch.origin_seen &&
                       !is_later(watch.client_end, watch.client_acknowledged);
  return at_rest && frame.payload_bytes > 0 && is_later(frame.sequence, watch.client_acknowledged);
}

// Nothing is on its way in either direction, as far as was seen, and this segment comes next. (What
// the client sent last may lie before it: a keep-alive repeats what was acknowledged long ago.)
bool is_at_rest(const MidstreamWatch& watch, const Frame& frame) {
  return watch.client_seen && watch.origin_seen && !is_later(watch.client_end, frame.sequence) &&
         watch.client_acknowledged == frame.sequence && watch.origin_end == frame.acknowledgment;
}

uint32_t end_of(const Frame& frame) {
  return frame.sequence + frame.payload_bytes + (frame.has(kFin) ? 1 : 0);
}

}  // namespace

Flow* Midstream::open(const Frame& frame) {
  const bool only_ends = frame.has(kRst) || (frame.has(kFin) && frame.payload_bytes == 0);
  const bool unknown_past = frame.has(kAck) && !only_ends;
  Flow* flow = unknown_past ? make_entry(core_, flow_key(frame, Side::kClient)) : nullptr;
  if (!flow) {
    if (unknown_past) core_.counters.count(DataplaneReason::flow_table_full);
    if (unknown_past && core_.table_full_blocks()) {
      core_.counters.segments_refused.add();
    } else {
      core_.io.forward(Side::kOrigin, frame.bytes.size());
    }
    return nullptr;
  }
  core_.counters.flows_opened.add();
  core_.counters.count(DataplaneReason::midstream);
  enter_phase(core_, *flow, FlowPhase::kMidstream);
  return flow;
}

bool Midstream::on_client_segment(Flow& flow, const Frame& frame) {
  const bool resyncs = flow.phase == FlowPhase::kMidstream && !frame.has(kRst) &&
                       core_.config.midstream != MidstreamPolicy::kPass;
  if (resyncs && core_.config.midstream == MidstreamPolicy::kReset && core_.enforcing()) {
    reset(flow, frame);
    return false;
  }
  if (resyncs && starts_request(flow, frame)) {
    adopt(flow, frame);
    return true;
  }
  MidstreamWatch& watch = flow.watch;
  if (resyncs && core_.enforcing() && (leaves_a_gap(watch, frame) || keep_back(watch, frame))) {
    core_.counters.segments_refused.add();
    return false;
  }
  if (!watch.client_seen || is_later(end_of(frame), watch.client_end)) {
    watch.client_end = end_of(frame);
  }
  watch.origin_acknowledged = frame.acknowledgment;
  watch.client_seen = true;
  flow.closing = flow.closing || frame.has(kRst) || frame.has(kFin);
  core_.io.forward(Side::kOrigin, frame.bytes.size());
  return false;
}

bool Midstream::comes_again(const MidstreamWatch& watch, const Frame& frame) const {
  return watch.keeps_back && watch.client_lowest == frame.sequence &&
         core_.now.tick - watch.kept_since >= kRetransmissionMin;
}

// The first payload that is seen may have overtaken the head of a request, which was lost while
// nobody stood here; with it the body would pass unread. What is kept back comes again, from the
// client's first unacknowledged byte on: if that begins no request, this is the middle of one.
// (What comes again at once is a copy that the network made. A single byte may be a keep-alive's:
// of that, what comes next is the front.)
bool Midstream::keep_back(MidstreamWatch& watch, const Frame& frame) const {
  if (watch.settled || frame.payload_bytes == 0 || frame.has(kRst)) return false;
  const bool is_next = watch.origin_seen && watch.client_acknowledged == frame.sequence;
  watch.settled = is_next || comes_again(watch, frame);
  if (watch.settled) return false;
  const bool follows_one_byte =
      watch.lowest_is_one_byte && watch.client_lowest + 1 == frame.sequence;
  // One that does not come again was acknowledged before: a late copy.
  const bool is_stale = core_.now.tick - watch.kept_since >= kRetransmissionMax;
  if (!watch.keeps_back || follows_one_byte || is_stale ||
      is_later(watch.client_lowest, frame.sequence)) {
    watch.client_lowest = frame.sequence;
    watch.kept_since = core_.now.tick;
    watch.lowest_is_one_byte = frame.payload_bytes == 1;
  }
  watch.keeps_back = true;
  return true;
}

void Midstream::on_origin_segment(Flow& flow, const Frame& frame) {
  MidstreamWatch& watch = flow.watch;
  if (!watch.origin_seen || is_later(end_of(frame), watch.origin_end)) {
    watch.origin_end = end_of(frame);
  }
  watch.client_acknowledged = frame.acknowledgment;
  watch.origin_seen = true;
  flow.origin.window = frame.window;
  flow.closing = flow.closing || frame.has(kRst) || frame.has(kFin);
  core_.io.forward(Side::kClient, frame.bytes.size());
}

// On a connection at rest, the beginning of a method is enough. On one of which little was seen
// yet, a body might look like that: then the whole line has to be there, or nothing but its
// beginning; and where that is less than a method, it has to come again. (Empty lines in front of
// it are passed over, as everywhere.)
bool Midstream::starts_request(const Flow& flow, const Frame& frame) const {
  if (frame.payload_bytes == 0 || !frame.has(kAck)) return false;
  std::string_view text = text_of(frame.payload());
  text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
  if (text.empty()) return false;
  if (is_at_rest(flow.watch, frame)) return starts_with_method(text);
  const MidstreamWatch& watch = flow.watch;
  const bool awaits_front = watch.keeps_back && !watch.settled;
  const uint32_t front = watch.client_lowest + (watch.lowest_is_one_byte ? 1 : 0);
  const bool first = awaits_front ? !is_later(frame.sequence, front)
                                  : !watch.client_seen || watch.client_end == frame.sequence;
  constexpr size_t kMethodBytesMin = 4;
  const bool follows_what_passed = watch.client_seen && watch.client_end == frame.sequence;
  const bool may_be_anything = text.size() < kMethodBytesMin && core_.enforcing() &&
                               !watch.settled && !follows_what_passed && !comes_again(watch, frame);
  return first && !may_be_anything && starts_with_request_line(text);
}

void Midstream::adopt(Flow& flow, const Frame& frame) {
  const uint16_t window = flow.origin.window;
  flow.watch = {};
  flow.client = ClientHalf{};
  flow.origin = OriginHalf{};
  flow.requests = RequestStream();
  flow.responses = ResponseStream();
  flow.resumed = flow.confirmed = true;
  flow.client.first = frame.sequence;
  flow.origin.first = frame.acknowledgment;
  constexpr uint16_t kWindowUnknown = 512;
  flow.origin.window = window != 0 ? window : kWindowUnknown;
  const auto timestamps = parse_tcp_options(frame.options()).timestamps;
  flow.uses_timestamps = timestamps.has_value();
  if (timestamps) {
    flow.origin.timestamp = timestamps->echo;
    flow.client.timestamps = *timestamps;
  }
  flow.segment_bytes_max = kSegmentBytesDefault;
  enter_phase(core_, flow, FlowPhase::kInspected);
}

void Midstream::reset(Flow& flow, const Frame& frame) {
  flow.client.first = frame.sequence;
  flow.origin.first = frame.acknowledgment;
  reset_origin(core_, flow);
  reset_client(core_, flow);
  enter_phase(core_, flow, FlowPhase::kRefused);
}

}  // namespace soundgate
