#include "dataplane/http/head_pool.h"

#include <numeric>

namespace soundgate {

HeadPool::HeadPool(size_t count) : entries_(count), free_(count) {
  std::iota(free_.begin(), free_.end(), uint16_t{0});
}

RequestHead* HeadPool::blank() {
  blank_.clear();
  return &blank_;
}

bool HeadPool::keep(Flow& flow, uint32_t flow_index, Tick now) {
  if (free_.empty()) return false;
  const uint16_t index = free_.back();
  free_.pop_back();
  flow.head = index;
  Entry& entry = entries_[index];
  entry.head = blank_;
  entry.flow = flow_index;
  entry.since = now;
  entry.previous = last_;
  entry.next = Flow::kNoHead;
  (last_ == Flow::kNoHead ? first_ : entries_[last_].next) = index;
  last_ = index;
  return true;
}

void HeadPool::give_back(Flow& flow) {
  if (flow.head == Flow::kNoHead) return;
  const Entry& entry = entries_[flow.head];
  (entry.previous == Flow::kNoHead ? first_ : entries_[entry.previous].next) = entry.next;
  (entry.next == Flow::kNoHead ? last_ : entries_[entry.next].previous) = entry.previous;
  free_.push_back(flow.head);  // never beyond its capacity: it held them all
  flow.head = Flow::kNoHead;
}

}  // namespace soundgate
