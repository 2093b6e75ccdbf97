// What goes wrong in the control room, as callers of the API and of the command line see it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "index/index.h"

namespace soundgate {

enum class ErrorCode : uint8_t {
  kInvalid,  // the request makes no sense
  kForbidden,
  kNotFound,
  kConflict,  // taken, in use, not empty
  kVerification,
  kUnusable,     // a file of which no fingerprint can be made
  kUnavailable,  // nobody there to do it, now
  kInternal,
};

std::string_view name(ErrorCode code);              // "invalid", "not_found", …
int http_status(ErrorCode code);                    // 400, 404, …
int exit_code(ErrorCode code);                      // of the command line
ErrorCode parse_error_code(std::string_view name);  // kInternal for an unknown name

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // one line, for people
  std::string reason;   // kUnusable: the name of the decoder's outcome
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message), {}});
}

Error from_index(const IndexError& error);

template <class T>
Result<T> lift(IndexResult<T> result) {
  return std::move(result).map_error(from_index);
}

}  // namespace soundgate
