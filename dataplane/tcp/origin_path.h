// The way of the origin's segments to the client, on connections that are inspected. All of them
// are sent on; what they acknowledge and how far the responses are is noted.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/resource_answers.h"
#include "dataplane/gate/upload_gate.h"

namespace soundgate {

class OriginPath {
 public:
  OriginPath(Core& core, UploadGate& gate, ResourceAnswers& answers)
      : core_(core), gate_(gate), answers_(answers) {}

  void on_segment(Flow& flow, const Frame& frame);

 private:
  void note_header(Flow& flow, const Frame& frame);
  bool misses_bytes(const Flow& flow, uint64_t acknowledged) const;
  void give_up(Flow& flow, const Frame& frame);
  void read(Flow& flow, const Frame& frame);
  void read_in_order(Flow& flow, uint64_t end, Bytes payload);
  void read_answers(Flow& flow, Bytes payload);

  Core& core_;
  UploadGate& gate_;
  ResourceAnswers& answers_;
};

}  // namespace soundgate
