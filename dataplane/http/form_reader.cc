#include "dataplane/http/form_reader.h"

#include "dataplane/http/chunk_size.h"

namespace soundgate {
namespace {

using Event = MultipartReader::Event;

// The bytes that may be of a delimiter may have begun in earlier input, behind other chunks.
void note_delimiter(Form& form, uint64_t began, uint64_t used) {
  const uint64_t held = form.reader.held_bytes();
  if (held == 0) {
    form.delimiter = kNoOffset;
  } else if (held <= used) {
    form.delimiter = began + used - held;
  }
}

}  // namespace

void FormReader::begin(Flow& flow, const RequestHead& head, int64_t body_bytes,
                       std::string_view boundary) {
  Form* form = core_.forms.take(flow);
  if (!form) {
    gate_.fail_request(flow, flow.requests.heads() - 1, DataplaneReason::overload, &head,
                       body_bytes);
    return;
  }
  form->head = head;
  form->reader.begin(boundary);
  form->holds = core_.enforcing();
  form->body_bytes = body_bytes;
  form->body_begin = flow.client.parsed;
  if (flow.requests.chunked()) form->size_line = flow.client.parsed;
}

void FormReader::on_step(Flow& flow, const MultipartReader::Step& step, uint64_t began) {
  Form& form = *core_.forms.of(flow);
  if (step.event == Event::kNoForm) {
    on_no_form(flow, step);
    return;
  }
  const uint64_t delimiter = form.delimiter;
  note_delimiter(form, began, step.used);
  take(flow, step.earlier);
  take(flow, step.data);
  const Upload* upload = core_.upload_of(flow);
  if (flow.form == Flow::kNoForm || (upload && upload->phase == UploadPhase::kTurnWait)) return;
  switch (step.event) {
    case Event::kMore:
    case Event::kNoForm:
      break;
    case Event::kPartHead:
      on_part(flow);
      break;
    case Event::kPartEnd:
      form.delimiter = delimiter;  // it was behind the line before this last piece of it came
      on_part_end(flow);
      break;
    case Event::kAmbiguous:
      give_up(flow, DataplaneReason::http_ambiguous);
      break;
  }
}

void FormReader::take(Flow& flow, Bytes data) {
  if (data.empty() || flow.form == Flow::kNoForm) return;
  const Upload* upload = core_.upload_of(flow);
  if (core_.forms.of(flow)->in_field) {
    watch_field(flow, data);
  } else if (upload && upload->phase == UploadPhase::kReceiving) {
    gate_.append(flow, data);
  }
}

// Some origins store fields like files. What is longer than any text is inspected too, though of
// what may be in it (base64) nothing is known.
void FormReader::watch_field(Flow& flow, Bytes data) {
  Form& form = *core_.forms.of(flow);
  const size_t text = form.field.take(data);
  if (text == data.size()) return;
  form.in_field = false;
  gate_.begin_part(flow, form, form.field.is_full() ? BodyKind::kWrapped : BodyKind::kPlain);
  take(flow, form.field.start());
  take(flow, data.subspan(text));
}

void FormReader::on_part(Flow& flow) {
  Form& form = *core_.forms.of(flow);
  if (form.reader.parts() > kPartsMax) {  // Go, Django and PHP take no more; others do
    give_up(flow, DataplaneReason::http_ambiguous);
    return;
  }
  const PartHead& part = form.reader.part();
  form.in_field = part.is_field();
  form.field = FieldWatch();
  if (form.in_field) return;
  gate_.begin_part(flow, form, part.is_wrapped() ? BodyKind::kWrapped : BodyKind::kPlain);
}

void FormReader::on_part_end(Flow& flow) {
  Form& form = *core_.forms.of(flow);
  Upload* upload = core_.upload_of(flow);
  form.in_field = false;
  if (upload && upload->phase == UploadPhase::kReceiving) {
    upload->tail = form.delimiter;
    gate_.complete(flow);
  }
  form.delimiter = kNoOffset;
}

// What does not begin like a form is what it is, whatever it is called.
void FormReader::on_no_form(Flow& flow, const MultipartReader::Step& step) {
  const Form& form = *core_.forms.of(flow);
  gate_.begin_behind(flow, form);
  core_.forms.give_back(flow);
  const auto append = [&](Bytes data) {
    const Upload* upload = core_.upload_of(flow);
    if (!data.empty() && upload && upload->phase == UploadPhase::kReceiving) {
      gate_.append(flow, data);
    }
  };
  append(step.earlier);
  append(step.data);
}

void FormReader::on_size_line(Flow& flow, Bytes line) {
  Form& form = *core_.forms.of(flow);
  if (form.size_line == flow.client.parsed && starts_nonzero_size(line)) form.size_line = kNoOffset;
}

void FormReader::on_chunk(Flow& flow, uint64_t bytes) {
  Form& form = *core_.forms.of(flow);
  if (bytes == 0 && !form.reader.is_over()) {
    give_up(flow, DataplaneReason::http_ambiguous);
  } else {
    form.size_line = kNoOffset;
  }
}

void FormReader::on_chunk_end(Flow& flow) { core_.forms.of(flow)->size_line = flow.client.parsed; }

// Some origins take a part that ends with the body.
void FormReader::on_end(Flow& flow) {
  if (!core_.forms.of(flow)->reader.is_over()) {
    give_up(flow, DataplaneReason::http_ambiguous);
  }
  core_.forms.give_back(flow);
}

void FormReader::give_up(Flow& flow, DataplaneReason reason) {
  const Form& form = *core_.forms.of(flow);
  if (core_.upload_of(flow)) {
    gate_.fail(flow, reason);
  } else {
    gate_.fail_request(flow, flow.requests.heads() - 1, reason, &form.head, form.body_bytes);
  }
  core_.forms.give_back(flow);
}

}  // namespace soundgate
