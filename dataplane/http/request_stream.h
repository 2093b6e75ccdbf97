// Reads the client's bytes as HTTP/1.1 requests, one event at a time, with exact offsets.
// Input: the bytes in order, in pieces of any size. Output: a Step, which says how much of the
// input was used and what was found there. The caller comes back with the rest.
// The heads and chunk framing are parsed by http_parser; bodies with a length are only counted.
// Errors: kNotHttp, kHttp2, kAmbiguous (no further bytes can be understood).
// Thread: the owning lcore.  Memory: none of its own.  Source: RFC 9112.
#pragma once

#include <http_parser.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "dataplane/flow/bytes.h"
#include "dataplane/http/request_guess.h"
#include "dataplane/http/request_head.h"

namespace soundgate {

// The headers that are kept, apart from the fixed ones.
struct HeaderNames {
  std::string_view request_id;
  std::string_view uploader;
};

class RequestStream {
 public:
  enum class Event : uint8_t {
    kMore,      // all input used, nothing has ended
    kHead,      // the head is complete; body_bytes() and chunked() say what follows
    kChunk,     // a chunk's size is known: chunk_bytes() of data follow, or, if 0, the trailers
    kChunkEnd,  // the line of the next chunk's size follows
    kEnd,       // the request is complete, trailers included
    kNotHttp,
    kHttp2,  // its whole preface: no further bytes can be understood, either
    kAmbiguous,
  };

  struct Step {
    size_t used = 0;
    Event event = Event::kMore;
    Bytes body;  // body bytes among those used; to be taken before the event
  };

  RequestStream();

  // head: the same while needs_head() says so, cleared before a request begins; null where none
  // could be had (nothing is kept then).
  Step step(Bytes input, RequestHead* head, const HeaderNames& names);

  bool needs_head() const { return state_ == State::kHead || state_ == State::kOddLine; }
  bool at_boundary() const { return state_ == State::kBoundary; }
  bool in_body() const { return state_ == State::kLength || state_ == State::kChunked; }
  // With kHead: the length of the body, 0 for none; meaningless when chunked().
  uint64_t body_bytes() const { return body_bytes_; }
  bool chunked() const { return chunked_; }
  uint64_t chunk_bytes() const { return parser_.content_length; }
  // So many bytes of the body come next, with nothing between them.
  uint64_t data_bytes() const {
    return state_ == State::kLength ? body_bytes_ : state_ == State::kChunked ? chunk_left_ : 0;
  }
  unsigned method() const { return parser_.method; }  // http_method
  std::string_view method_name() const {
    return http_method_str(static_cast<http_method>(parser_.method));
  }
  uint32_t heads() const { return heads_; }  // complete so far

 private:
  enum class State : uint8_t { kBoundary, kHead, kOddLine, kLength, kChunked, kFailed };

  Step begin(Bytes input, RequestHead* head, const HeaderNames& names);
  Step read_head(Bytes input, RequestHead* head, const HeaderNames& names);
  Step head_complete(size_t used);
  Step read_odd_line(Bytes input, RequestHead* head);
  Step read_length(Bytes input);
  Step read_chunked(Bytes input);
  bool is_odd_size_line(Bytes line);  // a piece of one
  Step failed(size_t used, Event event);
  Step head_error(Bytes input, size_t used, RequestHead* head);

  http_parser parser_{};
  uint64_t body_bytes_ = 0;  // what is left of it, while in it
  uint64_t chunk_left_ = 0;  // likewise, of a chunk
  uint32_t heads_ = 0;
  State state_ = State::kBoundary;
  bool chunked_ = false;
  bool in_size_line_ = false;    // of a chunk
  bool in_extension_ = false;    // likewise, behind the size
  std::byte head_last_{};        // of the head in progress
  bool may_be_refused_ = false;  // the client waits with the body for leave to send it
  RequestGuess opening_;         // of such a body
};

}  // namespace soundgate
