#include "dataplane/http/request_reader.h"

#include <strings.h>

#include <array>

#include "dataplane/flow/flow_life.h"

namespace soundgate {
namespace {

using Event = RequestStream::Event;

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         strncasecmp(text.data(), prefix.data(), prefix.size()) == 0;
}

// A chunk's size that starts with another digit than 0 is not the last one's.
bool starts_nonzero_size(Bytes line) {
  const auto c = std::to_integer<char>(line.front());
  return (c >= '1' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool usually_has_upload(unsigned method) {
  return method == HTTP_PUT || method == HTTP_POST || method == HTTP_PATCH;
}

}  // namespace

void RequestReader::read(Flow& flow) {
  while (flow.phase == FlowPhase::kInspected && !paused(flow)) {
    const Bytes input = flow.client.bytes.at(core_.buffers, flow.client.parsed);
    if (input.empty()) break;
    take_step(flow, input);
  }
  flow.client.limit = gate_.limit(flow);
}

bool RequestReader::paused(const Flow& flow) const {
  if (flow.upload == Flow::kNoUpload) return false;
  const Upload& upload = core_.uploads[flow.upload];
  if (upload.phase == UploadPhase::kTurnWait) return true;
  return upload.phase == UploadPhase::kComplete && flow.requests.at_boundary();
}

void RequestReader::take_step(Flow& flow, Bytes input) {
  if (flow.requests.at_boundary()) {
    core_.heads.lend(flow);
    flow.request_began = core_.now.wall;
  }
  Upload* upload = core_.upload_of(flow);
  if (upload && upload->chunk_line == flow.client.parsed) {
    upload->chunk_line_passes = starts_nonzero_size(input);
  }
  const bool was_in_body = flow.requests.in_body();
  const RequestStream::Step step =
      flow.requests.step(input, core_.heads.of(flow), core_.header_names);
  flow.client.parsed += step.used;
  if (upload && upload->chunk_line_passes) upload->chunk_limit = flow.client.parsed;
  if (!step.body.empty()) on_body(flow, step.body);
  if (flow.phase == FlowPhase::kInspected && !paused(flow)) on_event(flow, step.event, was_in_body);
}

void RequestReader::on_body(Flow& flow, Bytes body) {
  const Upload* upload = core_.upload_of(flow);
  if (upload && upload->phase == UploadPhase::kReceiving) gate_.append(flow, body);
}

void RequestReader::on_event(Flow& flow, Event event, bool was_in_body) {
  switch (event) {
    case Event::kMore:
      break;
    case Event::kHead:
      on_head(flow);
      break;
    case Event::kChunk:
      on_chunk(flow);
      break;
    case Event::kChunkEnd:
      on_chunk_end(flow);
      break;
    case Event::kEnd:
      on_end(flow);
      break;
    case Event::kNotHttp:
      if (!gate_.fail_request(flow, flow.requests.heads(), DataplaneReason::not_http)) {
        enter_phase(core_, flow, FlowPhase::kPassing);
      }
      break;
    case Event::kAmbiguous:
      on_ambiguous(flow, flow.requests.heads() - (was_in_body ? 1 : 0));
      break;
  }
}

void RequestReader::on_head(Flow& flow) {
  const RequestStream& requests = flow.requests;
  flow.responses.expect(requests.method());
  if (requests.chunked() || requests.body_bytes() > 0) judge(flow, core_.heads.of(flow));
  core_.heads.give_back(flow);
}

void RequestReader::judge(Flow& flow, const RequestHead* head) {
  const RequestStream& requests = flow.requests;
  const uint32_t number = requests.heads() - 1;
  if (!head) {
    if (usually_has_upload(requests.method())) {
      gate_.fail_request(flow, number, DataplaneReason::overload);
    }
    return;
  }
  if (head->target_overflow || head->hosts > 1) {
    on_ambiguous(flow, number);
    return;
  }
  const int64_t body_bytes = requests.chunked() ? -1 : static_cast<int64_t>(requests.body_bytes());
  if (!matches(flow, *head, body_bytes)) return;
  // The header alone is the client's word: origins store the body of a PUT whatever it says.
  const bool multipart =
      requests.method() == HTTP_POST &&
      starts_with_ignoring_case(trimmed(head->content_type.view()), "multipart/form-data");
  if (multipart || requests.method() == HTTP_PATCH) {
    gate_.begin_unchecked(flow, *head, body_bytes, DataplaneReason::http_unsupported);
  } else {
    gate_.begin(flow, *head, body_bytes);
  }
}

bool RequestReader::matches(const Flow& flow, const RequestHead& head, int64_t body_bytes) const {
  std::array<char, kTargetBytesMax> path;
  RequestFacts facts;
  facts.port = flow.key.origin_port;
  facts.host = effective_host(head.target.view(), head.host.view());
  facts.path = normal_path(head.target.view(), path);
  facts.method = flow.requests.method_name();
  facts.body_bytes = body_bytes;
  return core_.rules.match(facts);
}

// After a chunk's size line: its data may go, or, where it is the last, the body is whole.
void RequestReader::on_chunk(Flow& flow) {
  Upload* upload = core_.upload_of(flow);
  if (!upload || upload->phase != UploadPhase::kReceiving) return;
  const uint64_t bytes = flow.requests.chunk_bytes();
  if (bytes == 0) {
    gate_.complete(flow);
  } else {
    constexpr uint64_t kLineBreakBytes = 2;
    upload->chunk_line_passes = false;
    upload->chunk_limit = flow.client.parsed + bytes + kLineBreakBytes;
  }
}

void RequestReader::on_chunk_end(Flow& flow) {
  Upload* upload = core_.upload_of(flow);
  if (!upload || upload->phase != UploadPhase::kReceiving) return;
  upload->chunk_limit = upload->chunk_line = flow.client.parsed;
}

void RequestReader::on_end(Flow& flow) {
  const Upload* upload = core_.upload_of(flow);
  if (upload && upload->phase == UploadPhase::kReceiving) gate_.complete(flow);
}

void RequestReader::on_ambiguous(Flow& flow, uint32_t number) {
  constexpr auto kReason = DataplaneReason::http_ambiguous;
  const Upload* upload = core_.upload_of(flow);
  if (upload && upload->phase != UploadPhase::kTurnWait) {
    gate_.fail(flow, kReason);
  } else {
    gate_.fail_request(flow, number, kReason);
  }
  const bool refused = flow.upload != Flow::kNoUpload || flow.phase != FlowPhase::kInspected;
  if (!refused) enter_phase(core_, flow, FlowPhase::kMidstream);
}

}  // namespace soundgate
