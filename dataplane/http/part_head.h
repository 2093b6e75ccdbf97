// What is known of a part of a form from its head. Fixed in size; longer values are cut.
// Thread: the owning lcore.
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/http/request_head.h"

namespace soundgate {

struct PartHead {
  FixedString<kHeaderValueBytesMax> content_type;
  FixedString<kHeaderValueBytesMax> file_name;
  bool is_form_data = false;  // it has a Content-Disposition that says so
  bool is_file = false;       // something in that may be taken for a file's name
  bool is_coded = false;      // base64 or the like: its bytes are not those of the file
  uint8_t dispositions = 0;   // how many headers of each kind there were
  uint8_t content_types = 0;
  uint8_t codings = 0;

  void clear();

  // A header line without its end. False where origins may read it in more than one way.
  [[nodiscard]] bool take_line(std::string_view line);

  // A form's field: not named as a file, and text by its type.
  bool is_field() const;
  // Its bytes are not a file's as they are: a multipart in it, or a coding.
  bool is_wrapped() const;
};

}  // namespace soundgate
