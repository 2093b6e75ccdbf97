// What a Content-Type header says of a form: whether the body is one, and its boundary.
// Origins read this header in many ways (PHP takes the first "boundary" anywhere, others the last
// parameter of that name, some unescape quotes). Only what all of them read alike is a form.
// Thread: any.  Memory: the boundary is a part of the text that was given.
// Source: RFC 2046 section 5.1.1, RFC 7578, RFC 9110 section 8.3.
#pragma once

#include <cstdint>
#include <string_view>

namespace soundgate {

struct FormType {
  enum class Kind : uint8_t {
    kNone,       // not multipart/form-data, or without a boundary
    kForm,       // with this boundary
    kAmbiguous,  // with one for some, and another for others
  };
  Kind kind = Kind::kNone;
  std::string_view boundary;  // 1..kBoundaryBytesMax bytes
};

// value: without blanks around it.
FormType form_type(std::string_view value);

}  // namespace soundgate
