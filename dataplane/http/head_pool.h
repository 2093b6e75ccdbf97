// The request heads in progress on one lcore. Fixed in number.
// Thread: the owning lcore.  Memory: allocated once.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/flow/flow.h"
#include "dataplane/http/request_head.h"

namespace soundgate {

class HeadPool {
 public:
  explicit HeadPool(size_t count) : heads_(count), free_(count) {
    for (size_t i = 0; i < count; ++i) free_[i] = static_cast<uint16_t>(i);
  }

  // Lends one to the connection, where there is one left.
  void lend(Flow& flow) {
    if (flow.head != Flow::kNoHead || free_.empty()) return;
    flow.head = free_.back();
    free_.pop_back();
    heads_[flow.head].clear();
  }

  void give_back(Flow& flow) {
    if (flow.head == Flow::kNoHead) return;
    free_.push_back(flow.head);  // never beyond its capacity: it held them all
    flow.head = Flow::kNoHead;
  }

  RequestHead* of(const Flow& flow) {
    return flow.head == Flow::kNoHead ? nullptr : &heads_[flow.head];
  }

 private:
  std::vector<RequestHead> heads_;
  std::vector<uint16_t> free_;
};

}  // namespace soundgate
