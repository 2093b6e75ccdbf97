#include "dataplane/http/request_reader.h"

#include <algorithm>
#include <array>
#include <optional>

#include "dataplane/flow/flow_life.h"
#include "dataplane/http/chunk_size.h"
#include "dataplane/http/form_type.h"
#include "dataplane/http/text.h"

namespace soundgate {
namespace {

using Event = RequestStream::Event;

// Nothing where there is a coding that nobody here takes off.
std::optional<ContentCoding> coding_of(const RequestHead& head) {
  const std::string_view coding = trimmed(head.content_encoding.view());
  if (head.content_encodings > 1) return std::nullopt;
  if (coding.empty() || same_ignoring_case(coding, "identity")) return ContentCoding::kNone;
  if (same_ignoring_case(coding, "gzip") || same_ignoring_case(coding, "x-gzip")) {
    return ContentCoding::kGzip;
  }
  if (same_ignoring_case(coding, "deflate")) return ContentCoding::kDeflate;
  return std::nullopt;
}

ContentCoding known_coding_of(const RequestHead& head) {
  return coding_of(head).value_or(ContentCoding::kNone);
}

bool usually_has_upload(unsigned method) {
  return method == HTTP_PUT || method == HTTP_POST || method == HTTP_PATCH;
}

}  // namespace

void RequestReader::read(Flow& flow) {
  while (flow.phase == FlowPhase::kInspected && !paused(flow)) {
    const Bytes input = flow.client.bytes.at(core_.buffers, flow.client.parsed);
    if (input.empty() || !take_step(flow, input)) break;
    flow.client.progress = core_.now.tick;
  }
  flow.client.limit = gate_.limit(flow);
}

bool RequestReader::paused(const Flow& flow) const {
  if (flow.upload == Flow::kNoUpload) return false;
  if (is_refused(flow)) return true;
  const Upload& upload = core_.uploads[flow.upload];
  const bool in_form = flow.form != Flow::kNoForm;  // what follows is held until it may go
  return upload.phase == UploadPhase::kComplete && (flow.requests.at_boundary() || in_form);
}

bool RequestReader::take_step(Flow& flow, Bytes input) {
  if (Form* form = core_.forms.of(flow)) {
    if (flow.requests.data_bytes() > 0) {
      take_form_step(flow, *form, input);
      return true;
    }
    forms_.on_size_line(flow, input);
  }
  const bool begins = flow.requests.at_boundary();
  if (begins) flow.request_began = core_.now.wall;
  RequestHead* head = begins ? core_.heads.blank() : core_.heads.of(flow);
  const RequestStream before = flow.requests;
  Upload* upload = core_.upload_of(flow);
  if (upload && upload->chunk_line == flow.client.parsed) {
    upload->chunk_line_passes = starts_nonzero_size(input);
  }
  const bool was_in_body = flow.requests.in_body();
  const RequestStream::Step step = flow.requests.step(input, head, core_.header_names);
  if (begins && flow.requests.needs_head() && !keep_head(flow)) {
    flow.requests = before;  // not read: it waits until there is room
    return false;
  }
  flow.client.parsed += step.used;
  if (upload && upload->chunk_line_passes) upload->chunk_limit = flow.client.parsed;
  if (!step.body.empty()) on_body(flow, step.body);
  const bool goes_on = flow.phase == FlowPhase::kInspected && !paused(flow);
  if (goes_on) on_event(flow, step.event, head, was_in_body);
  if (!flow.requests.needs_head()) core_.heads.give_back(flow);
  return true;
}

// The bytes of a form's body are looked at twice: as such, and as those of its parts.
void RequestReader::take_form_step(Flow& flow, Form& form, Bytes input) {
  const uint64_t began = flow.client.parsed;
  const uint64_t bytes = std::min<uint64_t>(input.size(), flow.requests.data_bytes());
  const MultipartReader::Step part = form.reader.step(input.first(static_cast<size_t>(bytes)));
  const RequestStream::Step step =
      flow.requests.step(input.first(part.used), nullptr, core_.header_names);
  flow.client.parsed += step.used;
  forms_.on_step(flow, part, began);
  if (flow.phase == FlowPhase::kInspected && !is_refused(flow)) {
    on_event(flow, step.event, nullptr, true);
  }
}

bool RequestReader::is_refused(const Flow& flow) const {
  return flow.upload != Flow::kNoUpload &&
         core_.uploads[flow.upload].phase == UploadPhase::kTurnWait;
}

// A head that came in part needs a place of its own. Where there is none, the one that has been
// incomplete for the longest makes room: whoever sends a thousand half heads ends his own. Without
// one that is old enough the request waits, unforwarded, and its client's retransmissions try
// again. In observe mode nothing may suffer: what has no head is read on without.
bool RequestReader::keep_head(Flow& flow) {
  const uint32_t index = core_.flows.index_of(flow);
  HeadPool& heads = core_.heads;
  if (heads.keep(flow, index, core_.now.tick)) return true;
  if (core_.now.tick - heads.oldest().since >= kHeadAgeMin) {
    evict_head(core_.flows[heads.oldest().flow]);
    return heads.keep(flow, index, core_.now.tick);
  }
  return !core_.enforcing();
}

void RequestReader::evict_head(Flow& flow) {
  core_.heads.give_back(flow);
  if (core_.enforcing()) gate_.end_for_room(flow);
}

void RequestReader::on_body(Flow& flow, Bytes body) {
  const Upload* upload = core_.upload_of(flow);
  if (upload && upload->phase == UploadPhase::kReceiving) gate_.append(flow, body);
}

void RequestReader::on_event(Flow& flow, Event event, const RequestHead* head, bool was_in_body) {
  switch (event) {
    case Event::kMore:
      break;
    case Event::kHead:
      on_head(flow, head);
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
      on_not_http(flow, DataplaneReason::not_http);
      break;
    case Event::kHttp2:
      on_not_http(flow, DataplaneReason::http2);
      break;
    case Event::kAmbiguous:
      on_ambiguous(flow, flow.requests.heads() - (was_in_body ? 1 : 0), head, -1);
      break;
  }
}

void RequestReader::on_head(Flow& flow, const RequestHead* head) {
  const RequestStream& requests = flow.requests;
  flow.responses.expect(requests.method());
  if (!requests.chunked() && requests.body_bytes() == 0) {
    if (head && !head->upload.none()) judge(flow, *head, 0);
    return;
  }
  const int64_t body_bytes = requests.chunked() ? -1 : static_cast<int64_t>(requests.body_bytes());
  if (head) {
    judge(flow, *head, body_bytes);
  } else if (usually_has_upload(requests.method())) {
    gate_.fail_request(flow, requests.heads() - 1, DataplaneReason::overload, core_.heads.blank(),
                       body_bytes);
  }
}

// body_bytes: 0 for a request that has no body, but may concern an upload.
void RequestReader::judge(Flow& flow, const RequestHead& head, int64_t body_bytes) {
  const RequestStream& requests = flow.requests;
  const bool unclear = head.target_overflow || head.host_overflow || head.hosts > 1;
  UploadRequest request = read_upload_request(requests.method(), head, body_bytes != 0);
  // A part may complete its resource without a body, too.
  if (unclear && (body_bytes != 0 || request.step == UploadStep::kPart ||
                  request.step == UploadStep::kConcatenation)) {
    on_ambiguous(flow, requests.heads() - 1, &head, body_bytes);
    return;
  }
  if (unclear) request = {};
  if (request.step != UploadStep::kNone) {
    judge_step(flow, head, request, body_bytes);
  } else if (body_bytes == 0 || !matches(flow, head, body_bytes)) {
    return;
  } else if (const auto reason = gate_.reason_to_pass(flow, head);
             reason != DataplaneReason::kNone) {
    gate_.begin_unchecked(flow, head, body_bytes, reason, known_coding_of(head));
  } else {
    begin_body(flow, head, body_bytes);
  }
}

// The headers alone are the client's word: origins store bodies whatever they say.
void RequestReader::begin_body(Flow& flow, const RequestHead& head, int64_t body_bytes) {
  const std::string_view type = trimmed(head.content_type.view());
  const auto coding = coding_of(head);
  const bool is_coded = coding != ContentCoding::kNone;
  const bool is_certain = head.content_types == 1 && !is_coded;
  const FormType form = is_certain ? form_type(type) : FormType();
  const bool is_cut =
      is_certain && head.content_type_overflow && form.kind == FormType::Kind::kForm;
  if (form.kind == FormType::Kind::kAmbiguous || is_cut) {
    on_ambiguous(flow, flow.requests.heads() - 1, &head, body_bytes);
  } else if (form.kind == FormType::Kind::kForm) {
    forms_.begin(flow, head, body_bytes, form.boundary);
  } else {
    const bool in_parts = head.content_types > 1 || contains_ignoring_case(type, "multipart/");
    const bool is_wrapped = in_parts || !coding;
    gate_.begin(flow, head, body_bytes, is_wrapped ? BodyKind::kWrapped : BodyKind::kPlain,
                coding.value_or(ContentCoding::kNone));
  }
}

void RequestReader::judge_step(Flow& flow, const RequestHead& head, const UploadRequest& request,
                               int64_t body_bytes) {
  answers_.watch(flow, head, request, body_bytes != 0);
  if (!matches_step(flow, head, request, body_bytes)) return;
  if (request.step == UploadStep::kAmbiguous) {
    on_ambiguous(flow, flow.requests.heads() - 1, &head, body_bytes);
    return;
  }
  const DataplaneReason reason = gate_.reason_to_pass(flow, head);
  if (body_bytes != 0 && reason != DataplaneReason::kNone && !resumable_.knows(head)) {
    resumable_.pass(head, request);
    gate_.begin_unchecked(flow, head, body_bytes, reason, known_coding_of(head));
    return;
  }
  switch (gate_.begin_step(flow, head, request, body_bytes)) {
    case ResumableUploads::Way::kTaken:
      break;
    case ResumableUploads::Way::kApart:
      begin_apart(flow, head, request, body_bytes);
      break;
    case ResumableUploads::Way::kWhole:
      if (body_bytes == 0) break;
      begin_body(flow, head, body_bytes);
      break;
  }
}

void RequestReader::begin_apart(Flow& flow, const RequestHead& head, const UploadRequest& request,
                                int64_t body_bytes) {
  if (body_bytes == 0) {
    constexpr auto kReason = DataplaneReason::partial_upload;
    gate_.fail_request(flow, flow.requests.heads() - 1, kReason, &head, body_bytes);
    return;
  }
  const bool is_tus = request.step == UploadStep::kPart || request.is_tus_body;
  const bool is_longer =
      body_bytes > 0 && static_cast<uint64_t>(body_bytes) > ResumableUploads::said_bytes(request);
  if (is_tus && is_longer) {  // one origin takes all of it, another what it has room for
    on_ambiguous(flow, flow.requests.heads() - 1, &head, body_bytes);
    return;
  }
  gate_.begin(flow, head, body_bytes, BodyKind::kPart);
  resumable_.name_part(flow, head, request);
  // Of such a resource any byte may be the last: none can be held.
  const Upload* upload = core_.upload_of(flow);
  const bool arrives = upload && upload->phase == UploadPhase::kReceiving && upload->holds;
  const bool may_end_anywhere =
      request.step == UploadStep::kPart && arrives && upload->left == kNoOffset;
  if (may_end_anywhere &&
      core_.fail_action(DataplaneReason::partial_upload) == FailAction::kBlock) {
    gate_.fail(flow, DataplaneReason::partial_upload);
  }
}

// By its own method or what overrides it; by the length of all of it, as far as that is known.
bool RequestReader::matches_step(const Flow& flow, const RequestHead& head,
                                 const UploadRequest& request, int64_t body_bytes) const {
  return matches(flow, head, resumable_.whole_bytes(head, request, body_bytes));
}

bool RequestReader::matches(const Flow& flow, const RequestHead& head, int64_t body_bytes) const {
  std::array<char, kTargetBytesMax> path;
  RequestFacts facts;
  facts.port = flow.key.origin_port;
  facts.host = effective_host(head.target.view(), head.host.view());
  facts.path = normal_path(head.target.view(), path);
  facts.method = flow.requests.method_name();
  facts.body_bytes = body_bytes;
  if (core_.rules.match(facts)) return true;
  std::array<char, kUploadHeaderBytesMax> method;
  facts.method = overriding_method(head, method);
  return !facts.method.empty() && core_.rules.match(facts);
}

// After a chunk's size line: its data may go, or, where it is the last, the body is whole.
void RequestReader::on_chunk(Flow& flow) {
  if (flow.form != Flow::kNoForm) {
    forms_.on_chunk(flow, flow.requests.chunk_bytes());
    return;
  }
  Upload* upload = core_.upload_of(flow);
  if (!upload || upload->phase != UploadPhase::kReceiving) return;
  const uint64_t bytes = flow.requests.chunk_bytes();
  if (bytes == 0) {
    gate_.complete(flow);
  } else if (upload->left_is_said && bytes > upload->left) {
    gate_.fail(flow, DataplaneReason::http_ambiguous);
  } else {
    constexpr uint64_t kLineBreakBytes = 2;
    upload->chunk_line_passes = false;
    upload->chunk_limit = flow.client.parsed + bytes + kLineBreakBytes;
    // Of a part the origin counts the bytes: each chunk's last one waits for another chunk.
    if (upload->kind == BodyKind::kPart) {
      upload->chunk_limit = flow.client.parsed + std::min(bytes, upload->left) - 1;
    }
    if (upload->resource != UploadTable::kNoResource) resumable_.mark_tail(flow, bytes);
  }
}

void RequestReader::on_chunk_end(Flow& flow) {
  if (flow.form != Flow::kNoForm) {
    forms_.on_chunk_end(flow);
    return;
  }
  Upload* upload = core_.upload_of(flow);
  if (!upload || upload->phase != UploadPhase::kReceiving) return;
  upload->chunk_line = flow.client.parsed;
  if (upload->kind != BodyKind::kPart) upload->chunk_limit = flow.client.parsed;
}

void RequestReader::on_end(Flow& flow) {
  if (flow.form != Flow::kNoForm) {
    forms_.on_end(flow);
    return;
  }
  const Upload* upload = core_.upload_of(flow);
  if (upload && upload->phase == UploadPhase::kReceiving) gate_.complete(flow);
}

void RequestReader::on_not_http(Flow& flow, DataplaneReason reason) {
  if (gate_.fail_request(flow, flow.requests.heads(), reason, nullptr, -1)) return;
  // Where a request was guessed to begin, it may have been in the middle of a body.
  flow.watch.settled = true;  // all before it was read in order
  enter_phase(core_, flow, flow.resumed ? FlowPhase::kMidstream : FlowPhase::kPassing);
}

// head: null where nothing is known of the request.
void RequestReader::on_ambiguous(Flow& flow, uint32_t number, const RequestHead* head,
                                 int64_t body_bytes) {
  constexpr auto kReason = DataplaneReason::http_ambiguous;
  const Upload* upload = core_.upload_of(flow);
  if (upload && upload->phase != UploadPhase::kTurnWait) {
    gate_.fail(flow, kReason);
  } else {
    const bool names_upload =
        head && !head->target.empty() && usually_has_upload(flow.requests.method());
    gate_.fail_request(flow, number, kReason, names_upload ? head : nullptr, body_bytes);
  }
  const bool refused = flow.upload != Flow::kNoUpload || flow.phase != FlowPhase::kInspected;
  if (!refused) enter_phase(core_, flow, FlowPhase::kMidstream);
}

}  // namespace soundgate
