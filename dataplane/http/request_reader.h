// Reads the client's stored bytes as requests and gives the bodies that are inspected to the gate.
// Reading stops at the end of an upload whose decision is awaited: what follows it stays stored.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/upload_gate.h"

namespace soundgate {

class RequestReader {
 public:
  RequestReader(Core& core, UploadGate& gate) : core_(core), gate_(gate) {}

  // Reads on from client.parsed as far as the bytes reach, and sets client.limit. Afterwards the
  // flow may have left kInspected: it is being refused, or it cannot be followed any more.
  void read(Flow& flow);

 private:
  bool paused(const Flow& flow) const;
  void take_step(Flow& flow, Bytes input);
  void on_body(Flow& flow, Bytes body);
  void on_event(Flow& flow, RequestStream::Event event, bool was_in_body);
  void on_head(Flow& flow);
  void judge(Flow& flow, const RequestHead* head);
  void on_chunk(Flow& flow);
  void on_chunk_end(Flow& flow);
  void on_end(Flow& flow);
  void on_ambiguous(Flow& flow, uint32_t number);
  bool matches(const Flow& flow, const RequestHead& head, int64_t body_bytes) const;

  Core& core_;
  UploadGate& gate_;
};

}  // namespace soundgate
