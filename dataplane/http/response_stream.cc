#include "dataplane/http/response_stream.h"

#include <algorithm>

#include "dataplane/limits.h"

namespace soundgate {
namespace {

static_assert(kRequestsOutstandingMax <= 64, "a bit each");

// What the callbacks work on during one call of the parser.
struct Reading {
  bool complete = false;
  AnswerHeaders* headers = nullptr;  // of an answer that is watched
};

Reading& reading_of(http_parser* parser) { return *static_cast<Reading*>(parser->data); }

int set_flag(http_parser* parser) {
  reading_of(parser).complete = true;
  http_parser_pause(parser, 1);
  return 0;
}

int on_name(http_parser* parser, const char* at, size_t bytes) {
  if (AnswerHeaders* headers = reading_of(parser).headers) headers->begin_name({at, bytes});
  return 0;
}

int on_value(http_parser* parser, const char* at, size_t bytes) {
  if (AnswerHeaders* headers = reading_of(parser).headers) headers->append_value({at, bytes});
  return 0;
}

constexpr http_parser_settings head_settings() {
  http_parser_settings settings{};
  settings.on_header_field = on_name;
  settings.on_header_value = on_value;
  settings.on_headers_complete = set_flag;
  return settings;
}

constexpr http_parser_settings chunk_settings() {
  http_parser_settings settings{};
  settings.on_message_complete = set_flag;
  return settings;
}

constexpr http_parser_settings kHeadSettings = head_settings();
constexpr http_parser_settings kChunkSettings = chunk_settings();

size_t execute(http_parser& parser, const http_parser_settings& settings, Bytes input,
               Reading& reading) {
  parser.data = &reading;
  return http_parser_execute(&parser, &settings, reinterpret_cast<const char*>(input.data()),
                             input.size());
}

}  // namespace

ResponseStream::ResponseStream() { http_parser_init(&parser_, HTTP_RESPONSE); }

void ResponseStream::expect(unsigned method) {
  const uint64_t bit = uint64_t{1} << (expected_ % 64);
  head_requests_ = method == HTTP_HEAD ? head_requests_ | bit : head_requests_ & ~bit;
  connect_requests_ = method == HTTP_CONNECT ? connect_requests_ | bit : connect_requests_ & ~bit;
  ++expected_;
  if (expected_ > completed_ && expected_ - completed_ > kRequestsOutstandingMax) lose();
}

bool ResponseStream::final_begun(uint32_t request) const {
  if (completed_ != request) return completed_ > request;
  return state_ != State::kBoundary && !interim_;
}

void ResponseStream::read(Bytes input, UploadExchange* watched) {
  while (!input.empty()) {
    size_t used = input.size();
    switch (state_) {
      case State::kBoundary:
        http_parser_init(&parser_, HTTP_RESPONSE);
        parser_.allow_chunked_length = 1;
        interim_ = false;
        state_ = State::kHead;
        [[fallthrough]];
      case State::kHead:
        used = read_head(input, watched);
        break;
      case State::kLength:
        used = std::min<uint64_t>(input.size(), body_bytes_);
        body_bytes_ -= used;
        if (body_bytes_ == 0) complete();
        break;
      case State::kChunked:
        used = read_chunked(input);
        break;
      case State::kUntilClose:
      case State::kSwitched:
      case State::kLost:
        return;
    }
    input = input.subspan(used);
  }
}

size_t ResponseStream::read_head(Bytes input, UploadExchange* watched) {
  if (watched && watched->request != completed_) watched = nullptr;
  Reading reading{.headers = watched ? &watched->answer : nullptr};
  const size_t used = execute(parser_, kHeadSettings, input, reading);
  if (reading.complete) {
    http_parser_pause(&parser_, 0);
    const bool is_final = parser_.status_code >= 200;
    if (watched && is_final) watched->status = parser_.status_code;
    if (watched && !is_final) watched->answer.clear();
    head_complete();
    return used + 1;  // it pauses in front of the last LF
  }
  if (HTTP_PARSER_ERRNO(&parser_) == HPE_OK) return used;
  lose();
  return input.size();
}

void ResponseStream::head_complete() {
  const unsigned status = parser_.status_code;
  // A 2xx to CONNECT opens a tunnel and has no length (RFC 9110 section 9.3.6). An origin that says
  // one has answered it like any other request, and reads on.
  const bool has_length = (parser_.flags & (F_CONTENTLENGTH | F_CHUNKED)) != 0 || status == 204;
  const bool to_connect = answers(connect_requests_) && status / 100 == 2 && !has_length;
  const bool no_body = answers(head_requests_) || status == 204 || status == 304;
  if (status == 101 || to_connect) {
    state_ = State::kSwitched;
  } else if (status / 100 == 1) {
    interim_ = true;
    state_ = State::kBoundary;
  } else if (no_body) {
    complete();
  } else if ((parser_.flags & F_CHUNKED) != 0) {
    state_ = State::kChunked;
    http_parser_execute(&parser_, &kChunkSettings, "\n", 1);
  } else if ((parser_.flags & F_CONTENTLENGTH) == 0) {
    state_ = State::kUntilClose;
  } else if (parser_.content_length == 0) {
    complete();
  } else {
    body_bytes_ = parser_.content_length;
    state_ = State::kLength;
  }
}

size_t ResponseStream::read_chunked(Bytes input) {
  Reading reading;
  const size_t used = execute(parser_, kChunkSettings, input, reading);
  const auto error = HTTP_PARSER_ERRNO(&parser_);
  if (reading.complete) {
    http_parser_pause(&parser_, 0);
    complete();
    return used;
  }
  if (error == HPE_OK) return used;
  lose();
  return input.size();
}

void ResponseStream::complete() {
  ++completed_;
  state_ = State::kBoundary;
}

void ResponseStream::end_of_stream() {
  if (state_ == State::kUntilClose) complete();
}

}  // namespace soundgate
