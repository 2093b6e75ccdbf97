// Everything that is known about one connection. Plain state: the parts of the packet path work
// on it. One entry serves both directions.
// Thread: the owning lcore.  Memory: the flow table; its queues, head, form and upload are lent by
// pools.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataplane/clock.h"
#include "dataplane/flow/flow_key.h"
#include "dataplane/http/request_stream.h"
#include "dataplane/http/response_stream.h"
#include "dataplane/limits.h"
#include "dataplane/tcp/byte_queue.h"
#include "dataplane/tcp/segment_writer.h"
#include "dataplane/tcp/sequence.h"

namespace soundgate {

enum class FlowPhase : uint8_t {
  kFree,
  kOpening,    // the client's SYN is through, the origin's is not
  kInspected,  // requests are read; what goes to the origin is limited by client.limit
  kMidstream,  // where requests begin is not known; it passes, until one is recognised
  kPassing,    // not HTTP; it passes for good
  kRefusing,   // the upload was blocked: we are the client's peer now
  kRefused,    // that is over: whatever still comes gets a reset
  kEnded,      // closed or reset by its own ends: no more payload goes to the origin
};

// Client to origin. Offsets count payload bytes from the first one on.
struct ClientHalf {
  uint32_t first = 0;              // sequence number of offset 0
  ByteQueue bytes;                 // from `acknowledged` on
  uint64_t parsed = 0;             // read as HTTP up to here
  uint64_t acknowledged = 0;       // by the origin, up to here
  uint64_t sent = 0;               // no byte from here on went to the origin
  uint64_t limit = 0;              // no byte from here on may go to the origin, in order
  uint64_t held_from = kNoOffset;  // the lowest byte that came and was not sent on
  uint64_t fin = kNoOffset;        // where the client's FIN is
  bool fin_held = false;
  bool fin_acknowledged = false;
  // When bytes were last read, or acknowledged by the origin; where none wait for that, or the
  // connection is not read, also when something new last passed in either direction.
  Tick progress{};
  uint16_t window = 0;           // as last advertised, unscaled
  Timestamps timestamps;         // the latest
  Tick gap_since = Tick::max();  // mirrored: the origin has more than was seen
  uint64_t gap_at = 0;           // of which this is the first byte
};

// Origin to client.
struct OriginHalf {
  uint32_t first = 0;
  ByteQueue bytes;            // out of order only
  uint64_t next = 0;          // forwarded without a gap up to here
  uint64_t acknowledged = 0;  // by the client, up to here
  uint64_t fin = kNoOffset;
  uint16_t window = 0;
  uint32_t timestamp = 0;
};

// What is watched of a connection that is not followed (kMidstream): whether it is at rest.
struct MidstreamWatch {
  uint32_t client_end = 0;  // sequence number after the client's last byte
  uint32_t origin_end = 0;
  uint32_t client_acknowledged = 0;  // the origin's last acknowledgment number
  uint32_t origin_acknowledged = 0;
  uint32_t client_lowest = 0;  // of the payload that was kept back
  bool client_seen = false;
  bool origin_seen = false;
  bool keeps_back = false;
  Tick kept_since{};                // when that one came first
  bool lowest_is_one_byte = false;  // and may be a keep-alive's
  bool settled = false;  // nothing of the client's is missing in front of what has passed
};

struct Flow {
  static constexpr uint16_t kNoUpload = 0xFFFF;
  static constexpr uint16_t kNoHead = 0xFFFF;
  static constexpr uint16_t kNoExchange = 0xFFFF;
  static constexpr uint16_t kNoForm = 0xFFFF;

  FlowKey key;
  uint32_t chain = 0;  // the next entry of the same bucket, or of the free list
  FlowPhase phase = FlowPhase::kFree;
  bool closing = false;    // a FIN or RST was seen on a connection that is not followed
  bool confirmed = false;  // the client has acknowledged the SYN-ACK
  bool resumed = false;    // taken up in the middle, where a request was seen to begin
  bool uses_timestamps = false;
  bool syn_pending = false;    // a SYN for a new connection on these ports is on its way
  uint32_t pending_first = 0;  // ClientHalf::first, if the origin accepts that SYN
  uint16_t segment_bytes_max = kSegmentBytesDefault;  // of both ends' MSS
  uint16_t pending_segment_bytes_max = kSegmentBytesDefault;
  bool pending_timestamps = false;
  uint16_t upload = kNoUpload;
  uint16_t head = kNoHead;
  uint16_t form = kNoForm;
  uint16_t exchange = kNoExchange;  // a request whose answer is read
  Tick since{};                     // in this phase
  Tick last_seen{};
  WallTime request_began{};
  LinkHeader link;
  ClientHalf client;
  OriginHalf origin;
  MidstreamWatch watch;
  RequestStream requests;
  ResponseStream responses;
};

static_assert(sizeof(Flow) <= kFlowBytesMax);

// What the origin waits for next, as far as we can know: RST and FIN of ours aim at it.
inline uint64_t origin_expects(const Flow& flow) {
  const ClientHalf& client = flow.client;
  const uint64_t bytes = std::min({client.parsed, client.held_from, client.sent});
  const bool fin_sent = client.fin == bytes && !client.fin_held;
  return bytes + (fin_sent ? 1 : 0);
}

}  // namespace soundgate
