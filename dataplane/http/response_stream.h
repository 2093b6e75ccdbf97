// Follows the origin's responses, only as far as the gate needs: how many are complete, and
// whether one has begun. Nothing of them is kept.
// Input: the bytes in order. Thread: the owning lcore.  Memory: none of its own.
// Errors: lost() says that the responses cannot be followed any more; it stays so.
// Source: RFC 9112 section 6.3 (how long a response is).
#pragma once

#include <http_parser.h>

#include <cstdint>

#include "dataplane/flow/bytes.h"
#include "dataplane/http/upload_exchange.h"

namespace soundgate {

class ResponseStream {
 public:
  ResponseStream();

  // In the order of the requests, when each head is complete.
  void expect(unsigned method);
  // watched: gets the headers of the answer to its request; or null.
  void read(Bytes input, UploadExchange* watched = nullptr);
  void end_of_stream();
  void lose() { state_ = State::kLost; }

  uint32_t completed() const { return completed_; }  // final responses, from the first on
  bool at_boundary() const { return state_ == State::kBoundary; }
  bool interim() const { return interim_; }  // the one in progress is known to be 1xx
  bool lost() const { return state_ == State::kLost; }
  // The connection is no longer HTTP/1.1: 101, or 2xx to CONNECT.
  bool switched() const { return state_ == State::kSwitched; }

  // Whether the final response to request number `request` (from 0) has begun.
  bool final_begun(uint32_t request) const;

 private:
  enum class State : uint8_t {
    kBoundary,
    kHead,
    kLength,
    kChunked,
    kUntilClose,
    kSwitched,
    kLost,
  };

  size_t read_head(Bytes input, UploadExchange* watched);
  size_t read_chunked(Bytes input);
  void head_complete();
  void complete();
  bool answers(uint64_t kinds) const { return (kinds >> (completed_ % 64) & 1) != 0; }

  http_parser parser_{};
  uint64_t body_bytes_ = 0;        // left
  uint64_t head_requests_ = 0;     // a bit per outstanding request, by number modulo 64
  uint64_t connect_requests_ = 0;  // likewise
  uint32_t expected_ = 0;
  uint32_t completed_ = 0;
  State state_ = State::kBoundary;
  bool interim_ = false;
};

}  // namespace soundgate
