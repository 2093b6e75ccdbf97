#include "control/error.h"

#include <array>

namespace soundgate {
namespace {

struct CodeRow {
  ErrorCode code;
  std::string_view name;
  int http_status;
  int exit_code;
};

constexpr std::array kCodes = {
    CodeRow{ErrorCode::kInvalid, "invalid", 400, 2},
    CodeRow{ErrorCode::kForbidden, "forbidden", 403, 1},
    CodeRow{ErrorCode::kNotFound, "not_found", 404, 3},
    CodeRow{ErrorCode::kConflict, "conflict", 409, 4},
    CodeRow{ErrorCode::kVerification, "verification_failed", 500, 5},
    CodeRow{ErrorCode::kUnusable, "unusable", 422, 1},
    CodeRow{ErrorCode::kUnavailable, "unavailable", 503, 6},
    CodeRow{ErrorCode::kInternal, "internal", 500, 1},
};

const CodeRow& row(ErrorCode code) { return kCodes.at(static_cast<size_t>(code)); }

}  // namespace

std::string_view name(ErrorCode code) { return row(code).name; }
int http_status(ErrorCode code) { return row(code).http_status; }
int exit_code(ErrorCode code) { return row(code).exit_code; }

ErrorCode parse_error_code(std::string_view name) {
  for (const CodeRow& candidate : kCodes) {
    if (candidate.name == name) return candidate.code;
  }
  return ErrorCode::kInternal;
}

Error from_index(const IndexError& error) {
  switch (error.kind) {
    case IndexError::Kind::kNotFound:
      return {ErrorCode::kNotFound, error.message, {}};
    case IndexError::Kind::kConflict:
    case IndexError::Kind::kInUse:
      return {ErrorCode::kConflict, error.message, {}};
    case IndexError::Kind::kInvalid:
      return {ErrorCode::kInvalid, error.message, {}};
    case IndexError::Kind::kCorrupt:
      return {ErrorCode::kVerification, error.message, {}};
    case IndexError::Kind::kInputOutput:
      break;
  }
  return {ErrorCode::kInternal, error.message, {}};
}

}  // namespace soundgate
