#include "dataplane/http/request_stream.h"

#include <algorithm>

#include "dataplane/http/text.h"

namespace soundgate {
namespace {

using Event = RequestStream::Event;

// What the callbacks work on during one call of the parser.
struct HeadReading {
  RequestHead* head;
  const HeaderNames* names;
  bool complete = false;
  bool odd_name = false;
};

struct ChunkReading {
  Bytes body;
  Event event = Event::kMore;
};

RequestHead::Field field_named(std::string_view name, const HeaderNames& names) {
  if (same_ignoring_case(name, "host")) return RequestHead::Field::kHost;
  if (same_ignoring_case(name, "content-type")) return RequestHead::Field::kContentType;
  if (same_ignoring_case(name, "content-encoding")) return RequestHead::Field::kContentEncoding;
  if (same_ignoring_case(name, "transfer-encoding")) return RequestHead::Field::kTransferEncoding;
  if (same_ignoring_case(name, "expect")) return RequestHead::Field::kExpect;
  if (same_ignoring_case(name, names.request_id)) return RequestHead::Field::kRequestId;
  if (same_ignoring_case(name, names.uploader)) return RequestHead::Field::kUploader;
  return RequestHead::Field::kOther;
}

int on_target(http_parser* parser, const char* at, size_t bytes) {
  RequestHead* head = static_cast<HeadReading*>(parser->data)->head;
  if (head && !head->target.append({at, bytes})) head->target_overflow = true;
  return 0;
}

int on_header_name(http_parser* parser, const char* at, size_t bytes) {
  auto* reading = static_cast<HeadReading*>(parser->data);
  // Built without its strict mode, the parser takes blanks for parts of a name.
  if (std::string_view(at, bytes).find(' ') != std::string_view::npos) reading->odd_name = true;
  RequestHead* head = reading->head;
  if (!head) return 0;
  if (head->in_value) {
    head->in_value = false;
    head->name.clear();
    head->name_overflow = false;
  }
  if (!head->name.append({at, bytes})) head->name_overflow = true;
  return 0;
}

int on_header_value(http_parser* parser, const char* at, size_t bytes) {
  const auto* reading = static_cast<HeadReading*>(parser->data);
  RequestHead* head = reading->head;
  if (!head) return 0;
  if (!head->in_value) {
    head->in_value = true;
    head->field = head->name_overflow ? RequestHead::Field::kOther
                                      : field_named(head->name.view(), *reading->names);
    head->upload_field = head->name_overflow ? UploadHeaders::Field::kNone
                                             : UploadHeaders::field_named(head->name.view());
    head->upload.begin(head->upload_field);
    if (head->field == RequestHead::Field::kHost) ++head->hosts;
    if (head->field == RequestHead::Field::kContentType) ++head->content_types;
    if (head->field == RequestHead::Field::kContentEncoding) ++head->content_encodings;
    if (head->field == RequestHead::Field::kExpect) head->expects_continue = true;
    if (head->field == RequestHead::Field::kTransferEncoding) ++head->transfer_encodings;
  }
  const std::string_view value(at, bytes);
  head->upload.append(head->upload_field, value);
  switch (head->field) {
    case RequestHead::Field::kHost:
      if (!head->host.append(value)) head->host_overflow = true;
      break;
    case RequestHead::Field::kContentType:
      if (!head->content_type.append(value)) head->content_type_overflow = true;
      break;
    case RequestHead::Field::kContentEncoding:
      head->content_encoding.append(value);
      break;
    case RequestHead::Field::kTransferEncoding:
      head->transfer_encoding.append(value);
      break;
    case RequestHead::Field::kRequestId:
      head->request_id.append(value);
      break;
    case RequestHead::Field::kUploader:
      head->uploader.append(value);
      break;
    case RequestHead::Field::kExpect:
    case RequestHead::Field::kOther:
      break;
  }
  return 0;
}

int on_head_complete(http_parser* parser) {
  static_cast<HeadReading*>(parser->data)->complete = true;
  http_parser_pause(parser, 1);
  return 0;
}

int pause_with(http_parser* parser, Event event) {
  static_cast<ChunkReading*>(parser->data)->event = event;
  http_parser_pause(parser, 1);
  return 0;
}

int on_body(http_parser* parser, const char* at, size_t bytes) {
  static_cast<ChunkReading*>(parser->data)->body = std::as_bytes(std::span(at, bytes));
  return 0;
}

constexpr http_parser_settings head_settings() {
  http_parser_settings settings{};
  settings.on_url = on_target;
  settings.on_header_field = on_header_name;
  settings.on_header_value = on_header_value;
  settings.on_headers_complete = on_head_complete;
  return settings;
}

constexpr http_parser_settings chunk_settings() {
  http_parser_settings settings{};
  settings.on_body = on_body;
  settings.on_chunk_header = [](http_parser* parser) { return pause_with(parser, Event::kChunk); };
  settings.on_chunk_complete = [](http_parser* parser) {
    return pause_with(parser, Event::kChunkEnd);
  };
  settings.on_message_complete = [](http_parser* parser) {
    return pause_with(parser, Event::kEnd);
  };
  return settings;
}

constexpr http_parser_settings kHeadSettings = head_settings();
constexpr http_parser_settings kChunkSettings = chunk_settings();

const char* characters(Bytes bytes) { return reinterpret_cast<const char*>(bytes.data()); }

bool is_line_break(std::byte byte) { return byte == std::byte{'\r'} || byte == std::byte{'\n'}; }

size_t first_not_token(std::string_view line) {
  return static_cast<size_t>(std::ranges::find_if_not(line, is_token_character) - line.begin());
}

// What somebody may take for a blank: Python's str.split() does for all of these.
bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F) || c == '\x85' ||
         c == '\xA0';
}

// A header line that goes on in the next one (obs-fold) is one header for some, two for others; so
// is one with a CR in it, behind which the parser takes any byte for the LF.
bool has_odd_line(Bytes input, std::byte last) {
  for (const std::byte byte : input) {
    const bool is_blank = byte == std::byte{' '} || byte == std::byte{'\t'};
    if (last == std::byte{'\n'} && is_blank) return true;
    if (last == std::byte{'\r'} && byte != std::byte{'\n'}) return true;
    last = byte;
  }
  return false;
}

bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// "chunked" alone, once: lists of codings and repeated headers are read in many ways.
bool is_plain_chunked(const RequestHead& head) {
  std::string_view value = head.transfer_encoding.view();
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  return head.transfer_encodings == 1 && same_ignoring_case(value, "chunked");
}

}  // namespace

RequestStream::RequestStream() { http_parser_init(&parser_, HTTP_REQUEST); }

RequestStream::Step RequestStream::step(Bytes input, RequestHead* head, const HeaderNames& names) {
  switch (state_) {
    case State::kBoundary:
      return begin(input, head, names);
    case State::kHead:
      return read_head(input, head, names);
    case State::kOddLine:
      return head ? read_odd_line(input, head) : failed(input.size(), Event::kAmbiguous);
    case State::kLength:
      return read_length(input);
    case State::kChunked:
      return read_chunked(input);
    case State::kFailed:
      break;
  }
  return {input.size(), Event::kMore, {}};
}

// Empty lines before a request are ignored (RFC 9112 section 2.2).
RequestStream::Step RequestStream::begin(Bytes input, RequestHead* head, const HeaderNames& names) {
  const auto first = std::ranges::find_if_not(input, is_line_break);
  const auto skipped = static_cast<size_t>(first - input.begin());
  if (skipped == input.size()) return {skipped, Event::kMore, {}};
  http_parser_init(&parser_, HTTP_REQUEST);
  chunked_ = false;
  head_last_ = {};
  state_ = State::kHead;
  Step step = read_head(input.subspan(skipped), head, names);
  step.used += skipped;
  return step;
}

RequestStream::Step RequestStream::read_head(Bytes input, RequestHead* head,
                                             const HeaderNames& names) {
  HeadReading reading{.head = head, .names = &names};
  parser_.data = &reading;
  const bool line_was_read = parser_.http_major != 0;
  const size_t used =
      http_parser_execute(&parser_, &kHeadSettings, characters(input), input.size());
  if (reading.odd_name || has_odd_line(input.first(used), head_last_)) {
    return failed(used, Event::kAmbiguous);
  }
  if (used > 0) head_last_ = input[used - 1];
  if (reading.complete) {  // it pauses in front of the last LF, which it does not insist on
    if (input[used] != std::byte{'\n'}) return failed(used, Event::kAmbiguous);
    // Without a version (HTTP/0.9) there are no headers for some; what others may be nobody knows.
    if (parser_.http_major != 1 || parser_.http_minor > 1) {
      return failed(used, Event::kAmbiguous);
    }
    if (head && head->transfer_encodings > 0 && !is_plain_chunked(*head)) {
      return failed(used, Event::kAmbiguous);
    }
    may_be_refused_ = head && head->expects_continue;
    opening_ = RequestGuess();
    return head_complete(used + 1);
  }
  if (HTTP_PARSER_ERRNO(&parser_) == HPE_OK) {
    if (head && !line_was_read) {
      head->first_line.append({characters(input), input.size()});
    }
    return {used, Event::kMore, {}};
  }
  return head_error(input, used, head);
}

RequestStream::Step RequestStream::head_complete(size_t used) {
  http_parser_pause(&parser_, 0);
  chunked_ = (parser_.flags & F_CHUNKED) != 0;
  const bool has_length = (parser_.flags & F_CONTENTLENGTH) != 0;
  if (parser_.uses_transfer_encoding && !chunked_) return failed(used, Event::kAmbiguous);
  if (chunked_ && (has_length || parser_.http_minor == 0)) return failed(used, Event::kAmbiguous);
  if (has_length && parser_.content_length > kBodyBytesMax) return failed(used, Event::kAmbiguous);
  // Origins that refuse a CONNECT read its body or do not: what follows would be either.
  const bool has_body = chunked_ || (has_length && parser_.content_length > 0);
  if (parser_.method == HTTP_CONNECT && has_body) return failed(used, Event::kAmbiguous);
  ++heads_;
  body_bytes_ = has_length ? parser_.content_length : 0;
  state_ = chunked_ ? State::kChunked : body_bytes_ > 0 ? State::kLength : State::kBoundary;
  in_size_line_ = chunked_;
  in_extension_ = false;
  chunk_left_ = 0;
  if (chunked_) http_parser_execute(&parser_, &kChunkSettings, "\n", 1);
  return {used, Event::kHead, {}};
}

// The parser refuses the head. In a header that is ambiguous; in the first line of a connection it
// may also be another protocol, which the whole line tells.
RequestStream::Step RequestStream::head_error(Bytes input, size_t used, RequestHead* head) {
  const auto error = HTTP_PARSER_ERRNO(&parser_);
  const bool in_first_line = error == HPE_INVALID_METHOD || error == HPE_INVALID_URL ||
                             error == HPE_INVALID_VERSION || error == HPE_INVALID_CONSTANT ||
                             error == HPE_UNKNOWN;
  if (!in_first_line || heads_ > 0 || !head) return failed(used, Event::kAmbiguous);
  state_ = State::kOddLine;
  return read_odd_line(input, head);
}

// A line that looks like a request of a kind we do not read must not switch the inspection off:
// origins answer "405" to odd methods and read on, and some read over blanks that we do not. HTTP/2
// is believed with all of its preface: behind the first line alone, some go on with HTTP/1.1.
RequestStream::Step RequestStream::read_odd_line(Bytes input, RequestHead* head) {
  const std::string_view more(characters(input), input.size());
  const bool fits = head->first_line.append(more);
  const std::string_view seen = head->first_line.view();
  const std::string_view line = seen.substr(0, seen.find('\n'));
  const bool whole = line.size() < seen.size();
  constexpr std::string_view kHttp2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  if (kHttp2.starts_with(seen)) {
    if (seen.size() < kHttp2.size()) return {input.size(), Event::kMore, {}};
    return failed(input.size(), Event::kHttp2);
  }
  const bool may_be_text = is_token_character(line.front()) || is_blank(line.front());
  if (seen.starts_with(kHttp2)) return failed(input.size(), Event::kHttp2);
  if (!may_be_text) return failed(input.size(), Event::kNotHttp);
  if (line.find("HTTP/") != std::string_view::npos) {
    return failed(input.size(), Event::kAmbiguous);
  }
  if (whole) return failed(input.size(), Event::kNotHttp);
  if (fits) return {input.size(), Event::kMore, {}};
  const bool starts_like_a_request =
      is_blank(line[std::min(first_not_token(line), line.size() - 1)]);
  return failed(input.size(), starts_like_a_request ? Event::kAmbiguous : Event::kNotHttp);
}

// Some origins that refuse to let the client send its body (417, 413, …) wait for the next request
// at once: what begins like one is a request for them, and the body for others.
RequestStream::Step RequestStream::read_length(Bytes input) {
  const size_t guess_bytes = may_be_refused_ ? opening_.take(input) : 0;
  if (guess_bytes > 0 && guess_bytes <= body_bytes_) return failed(guess_bytes, Event::kAmbiguous);
  const size_t taken = std::min<uint64_t>(input.size(), body_bytes_);
  body_bytes_ -= taken;
  if (body_bytes_ > 0) return {taken, Event::kMore, input.first(taken)};
  state_ = State::kBoundary;
  return {taken, Event::kEnd, input.first(taken)};
}

RequestStream::Step RequestStream::read_chunked(Bytes input) {
  ChunkReading reading;
  parser_.data = &reading;
  const size_t used =
      http_parser_execute(&parser_, &kChunkSettings, characters(input), input.size());
  const auto error = HTTP_PARSER_ERRNO(&parser_);
  if (error == HPE_PAUSED) http_parser_pause(&parser_, 0);
  // The parser does not insist on the LF that ends a line. (It reports the last chunk's end in
  // front of that LF, and the message's end behind it.)
  const bool in_front = reading.event == Event::kChunkEnd && (parser_.flags & F_TRAILING) != 0;
  const bool line_ended = reading.event != Event::kMore && !in_front;
  const bool ended_badly = line_ended && input[used - 1] != std::byte{'\n'};
  const bool bad_line =
      in_size_line_ &&
      is_odd_size_line(input.first(used - (reading.event == Event::kChunk ? 1 : 0)));
  if ((error != HPE_PAUSED && error != HPE_OK) || ended_badly || bad_line) {
    Step step = failed(used, Event::kAmbiguous);
    step.body = reading.body;
    return step;
  }
  chunk_left_ =
      reading.event == Event::kChunk ? parser_.content_length : chunk_left_ - reading.body.size();
  if (reading.event == Event::kChunk) in_size_line_ = false;
  if (reading.event == Event::kChunkEnd) in_size_line_ = !in_front;
  if (!in_size_line_) in_extension_ = false;
  if (reading.event == Event::kEnd) state_ = State::kBoundary;
  return {used, reading.event, reading.body};
}

// The parser reads a chunk extension up to its CR and takes an LF in it for text. nginx ends the
// line there, so what follows would be data for one and framing for the other. It also reads over
// what stands behind a blank, in which others look for more of the size, and takes bytes from 0x80
// on for the digit 0.
bool RequestStream::is_odd_size_line(Bytes line) {
  for (const std::byte byte : line) {
    const auto c = std::to_integer<char>(byte);
    in_extension_ = in_extension_ || c == ';';
    if (c == '\n' || (!in_extension_ && c != '\r' && !is_hex_digit(c))) return true;
  }
  return false;
}

RequestStream::Step RequestStream::failed(size_t used, Event event) {
  state_ = State::kFailed;
  return {used, event, {}};
}

}  // namespace soundgate
