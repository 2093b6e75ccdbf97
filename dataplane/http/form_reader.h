// Reads the body of a form and gives each part that may be audio to the gate, as an upload of its
// own. Fields pass: parts that are not named as files and are text by their type, as long as their
// bytes are text.
// Invariants: no byte of a part's delimiter goes on before its upload is let go; the last byte of
// the body, or the line of the last chunk, not before the last delimiter has come.
// Errors: http_ambiguous, of which the fail policy decides; where it passes, the rest of the body
// does.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"
#include "dataplane/gate/upload_gate.h"

namespace soundgate {

class FormReader {
 public:
  FormReader(Core& core, UploadGate& gate) : core_(core), gate_(gate) {}

  // The head of the request has been read. Afterwards the flow has a form, or it passes (for want
  // of room), or it is being refused.
  void begin(Flow& flow, const RequestHead& head, int64_t body_bytes, std::string_view boundary);

  // For flows that have a form. What the reader made of the body's next bytes, which begin at
  // `began` and have been read.
  void on_step(Flow& flow, const MultipartReader::Step& step, uint64_t began);
  void on_size_line(Flow& flow, Bytes line);  // its first bytes are these
  void on_chunk(Flow& flow, uint64_t bytes);
  void on_chunk_end(Flow& flow);
  void on_end(Flow& flow);  // of the body

 private:
  void take(Flow& flow, Bytes data);
  void watch_field(Flow& flow, Bytes data);
  void on_part(Flow& flow);
  void on_part_end(Flow& flow);
  void on_no_form(Flow& flow, const MultipartReader::Step& step);
  void give_up(Flow& flow, DataplaneReason reason);

  Core& core_;
  UploadGate& gate_;
};

}  // namespace soundgate
