// What the origin's answers say of resources: which there are, how long they are, and how much of
// them it has.
// Thread: the owning lcore; SharedResources is everybody's.  Memory: the tables'.
// Source: tus.io/protocols/resumable-upload (1.0.0); README, "Resumable uploads".
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/resource_life.h"

namespace soundgate {

class ResourceAnswers {
 public:
  ResourceAnswers(Core& core, ResourceLife& life) : core_(core), life_(life) {}

  // The answer to this request is going to be read, if it tells anything.
  void watch(Flow& flow, const RequestHead& head, const UploadRequest& request, bool brings_bytes);
  void on_answer(Flow& flow);  // the one that was watched has come

 private:
  uint16_t take(UploadStep step);  // kNone where there is no room
  void learn_created(const UploadExchange& exchange);
  void learn_status(const UploadExchange& exchange);
  void learn_stored(uint16_t index, uint64_t offset);
  void learn_part(const UploadExchange& exchange);
  void learn_terminated(const UploadExchange& exchange);

  Core& core_;
  ResourceLife& life_;
};

}  // namespace soundgate
