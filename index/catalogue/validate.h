// Checks what comes from outside before it is stored.
// Errors: kInvalid, with a sentence that names the value and its bound.
#pragma once

#include "index/index.h"

namespace soundgate {

IndexResult<void> validate(const Bank& bank);
IndexResult<void> validate(const EnrollRequest& request);
IndexResult<void> validate(const Suppression& suppression);
IndexResult<void> validate_content_id(std::string_view content_id);

}  // namespace soundgate
