// Reads the client's stored bytes as requests and gives the bodies that are inspected to the gate.
// Reading stops at the end of an upload whose decision is awaited, and in front of a request for
// whose head there is no room: what follows stays stored.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/resource_answers.h"
#include "dataplane/gate/resumable_uploads.h"
#include "dataplane/gate/upload_gate.h"
#include "dataplane/http/form_reader.h"

namespace soundgate {

class RequestReader {
 public:
  RequestReader(Core& core, UploadGate& gate, ResumableUploads& resumable, ResourceAnswers& answers)
      : core_(core), gate_(gate), resumable_(resumable), answers_(answers), forms_(core, gate) {}

  // Reads on from client.parsed as far as the bytes reach, and sets client.limit. Afterwards the
  // flow may have left kInspected: it is being refused, or it cannot be followed any more.
  void read(Flow& flow);

 private:
  bool paused(const Flow& flow) const;
  bool is_refused(const Flow& flow) const;
  bool take_step(Flow& flow, Bytes input);  // false: not now
  void take_form_step(Flow& flow, Form& form, Bytes input);
  bool keep_head(Flow& flow);
  void evict_head(Flow& flow);
  void on_body(Flow& flow, Bytes body);
  void on_event(Flow& flow, RequestStream::Event event, const RequestHead* head, bool was_in_body);
  void on_head(Flow& flow, const RequestHead* head);
  void judge(Flow& flow, const RequestHead& head, int64_t body_bytes);
  void judge_step(Flow& flow, const RequestHead& head, const UploadRequest& request,
                  int64_t body_bytes);
  void begin_apart(Flow& flow, const RequestHead& head, const UploadRequest& request,
                   int64_t body_bytes);
  void on_chunk(Flow& flow);
  void on_chunk_end(Flow& flow);
  void on_end(Flow& flow);
  void begin_body(Flow& flow, const RequestHead& head, int64_t body_bytes);
  void on_not_http(Flow& flow, DataplaneReason reason);
  void on_ambiguous(Flow& flow, uint32_t number, const RequestHead* head, int64_t body_bytes);
  bool matches(const Flow& flow, const RequestHead& head, int64_t body_bytes) const;
  bool matches_step(const Flow& flow, const RequestHead& head, const UploadRequest& request,
                    int64_t body_bytes) const;

  Core& core_;
  UploadGate& gate_;
  ResumableUploads& resumable_;
  ResourceAnswers& answers_;
  FormReader forms_;
};

}  // namespace soundgate
