// The uploads (and refusals) in progress on one lcore, in numbered slots.
// A slot serves an upload from its head to the end of what follows from it: where it is blocked,
// that includes the conversation with the client about it.
// Thread: the owning lcore.  Memory: kUploadsMax slots, allocated once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/clock.h"
#include "dataplane/http/resource_name.h"
#include "dataplane/tcp/sequence.h"
#include "dataplane/upload.h"

namespace soundgate {

enum class UploadPhase : uint8_t {
  kFree,
  kReceiving,  // body bytes are still to come
  kComplete,   // the body is whole, its tail is held, the decision is awaited
  kTurnWait,   // it is to be refused, once the responses before it are through
  kRefusing,   // the refusal is on its way to the client
};

// What the body (or part) is as far as its head tells. Only what comes as it is can be inspected
// whole; the bytes of the others are inspected too, and block if they can, but do not pass for
// checked.
enum class BodyKind : uint8_t {
  kPlain,
  kWrapped,  // other multipart types, codings that nobody takes off, forms that do not begin like
             // one
  kPart,     // one of several bodies that are put together elsewhere
};

struct Upload {
  UploadKey key{};
  uint32_t flow = 0;
  uint32_t request = 0;  // number of its request on the connection
  UploadPhase phase = UploadPhase::kFree;
  bool begun = false;      // the sink knows it, and is owed a gate_closed
  bool holds = false;      // enforce mode: the tail stays here
  bool wanted = false;     // the sink takes more bytes
  bool gives_way = false;  // others need what it has: to be closed by its timer
  BodyKind kind = BodyKind::kPlain;
  uint16_t resource = 0xFFFF;  // of which it is a part (ResourceTable); its upload is the sink's
  ResourceKeys keys;           // of a resource whose parts are not put together
  uint64_t left = kNoOffset;   // bytes until that one is whole, where that is known
  bool left_is_said = false;   // by the request itself: a longer body contradicts it
  Tick progress{};             // when its last byte in order came; deadlines count from here

  // Its pace, while it is received: whether so little came in the last window that it makes room.
  Tick window_began{};
  uint64_t window_from = 0;  // the offset that it had been read up to
  bool slow = false;
  void watch_pace_from(uint64_t offset, Tick now) {
    window_began = now;
    window_from = offset;
  }

  // The tail.
  uint64_t tail = kNoOffset;         // with a length: where it starts
  uint64_t chunk_limit = kNoOffset;  // chunked: up to here it cannot be the last chunk
  uint64_t chunk_line = kNoOffset;   // chunked: where the line of the next chunk's size starts
  bool chunk_line_passes = false;    // it cannot be the last chunk's, even before it is whole
  uint32_t segments_held = 0;

  // The refusal.
  GateOutcome outcome{};
  DataplaneReason reason = DataplaneReason::kNone;
  char upload_id[GateDecision::kUploadIdBytes + 1] = {};
  Tick began_refusing{};
  uint64_t answer_from = 0;      // offsets of the origin's direction
  uint64_t answer_end = 0;       // its FIN included
  uint64_t client_received = 0;  // of the client's bytes, in order; its FIN included
  bool client_finished = false;
  uint32_t transmissions = 0;
  Tick next_transmission{};
  uint32_t origin_resets = 0;
  Tick next_origin_reset{};
};

class UploadTable {
 public:
  static constexpr uint16_t kNone = 0xFFFF;
  static constexpr uint16_t kNoResource = 0xFFFF;

  UploadTable(size_t count, unsigned lcore_index);

  UploadKey next_key(uint16_t slot);  // also for what has no slot: kNone, a resource
  uint16_t take();                    // kNone when all are taken
  void give(uint16_t slot);
  uint16_t find(UploadKey key) const;  // kNone when it is gone

  Upload& operator[](uint16_t slot) { return uploads_[slot]; }
  size_t count() const { return uploads_.size(); }
  std::span<const uint16_t> live() const { return {live_.data(), live_count_}; }
  // One slot in use after the other, round and round; of a table that has some.
  uint16_t next_in_turn() { return live_[++turn_ % live_count_]; }

 private:
  std::vector<Upload> uploads_;
  std::vector<uint16_t> live_;      // slots: first those in use, then those that are free
  std::vector<uint16_t> place_of_;  // of each slot in live_
  size_t live_count_ = 0;
  size_t turn_ = 0;
  uint64_t keys_made_ = 0;
  uint64_t lcore_bits_;
};

}  // namespace soundgate
