// Whether bytes begin like a request: some line breaks, a method, a blank, and a target.
// Input: the bytes in order, in pieces of any size. Thread: the owning lcore.
#pragma once

#include <cstdint>

#include "dataplane/flow/bytes.h"
#include "dataplane/http/text.h"

namespace soundgate {

class RequestGuess {
 public:
  // How many of the next bytes it takes to see that they do; 0: they do not, or more is needed.
  size_t take(Bytes bytes) {
    for (size_t i = 0; i < bytes.size() && state_ != State::kNo; ++i) {
      if (next(std::to_integer<char>(bytes[i]))) return i + 1;
    }
    return 0;
  }

 private:
  enum class State : uint8_t { kFront, kMethod, kBlank, kNo };
  static constexpr uint8_t kMethodBytesMax = 32;

  bool next(char c) {
    const bool is_blank = c == ' ' || c == '\t';
    if (state_ == State::kFront && (c == '\r' || c == '\n')) return false;
    if (state_ == State::kBlank && (c == '/' || c == 'h' || c == 'H' || c == '*')) return true;
    if (state_ != State::kBlank && is_token_character(c) && ++method_bytes_ <= kMethodBytesMax) {
      state_ = State::kMethod;
    } else if (state_ != State::kFront && is_blank) {
      state_ = State::kBlank;
    } else {
      state_ = State::kNo;
    }
    return false;
  }

  State state_ = State::kFront;
  uint8_t method_bytes_ = 0;
};

}  // namespace soundgate
