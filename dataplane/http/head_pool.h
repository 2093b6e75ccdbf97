// The request heads in progress on one lcore. Fixed in number. Most heads come whole and need none
// of their own: they are read into blank(). One that goes on in a later segment is kept.
// Errors: keep() is false when there is no room; who has been at it for the longest is oldest().
// Thread: the owning lcore.  Memory: allocated once.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/flow/flow.h"
#include "dataplane/http/request_head.h"

namespace soundgate {

class HeadPool {
 public:
  struct Oldest {
    uint32_t flow = 0;  // its index
    Tick since{};
  };

  explicit HeadPool(size_t count);

  // Where a head is read into that has just begun; good until the next call.
  RequestHead* blank();

  // The connection's head goes on: what is in blank() becomes its own. False when all are taken.
  [[nodiscard]] bool keep(Flow& flow, uint32_t flow_index, Tick now);
  void give_back(Flow& flow);

  // Null where none is kept.
  RequestHead* of(const Flow& flow) {
    return flow.head == Flow::kNoHead ? nullptr : &entries_[flow.head].head;
  }

  bool any_kept() const { return first_ != Flow::kNoHead; }
  Oldest oldest() const { return {entries_[first_].flow, entries_[first_].since}; }
  size_t kept_count() const { return entries_.size() - free_.size(); }

 private:
  struct Entry {
    RequestHead head;
    uint32_t flow = 0;
    Tick since{};
    uint16_t previous = Flow::kNoHead;  // kept for longer
    uint16_t next = Flow::kNoHead;
  };

  std::vector<Entry> entries_;
  std::vector<uint16_t> free_;
  uint16_t first_ = Flow::kNoHead;
  uint16_t last_ = Flow::kNoHead;
  RequestHead blank_;
};

}  // namespace soundgate
