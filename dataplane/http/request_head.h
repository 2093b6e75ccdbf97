// What is kept of a request's head while it is being read. It is fixed in size, and longer values
// are cut (a longer target or host is http_ambiguous instead). Thread: the owning lcore.
#pragma once

#include "dataplane/http/fixed_string.h"
#include "dataplane/http/upload_headers.h"
#include "dataplane/limits.h"

namespace soundgate {

struct RequestHead {
  // Which header the value that comes belongs to.
  enum class Field : uint8_t {
    kOther,
    kHost,
    kContentType,
    kContentEncoding,
    kTransferEncoding,
    kExpect,
    kRequestId,
    kUploader,
  };

  FixedString<kTargetBytesMax> target;
  FixedString<kHeaderValueBytesMax> host;
  FixedString<kHeaderValueBytesMax> content_type;
  FixedString<kHeaderValueBytesMax> content_encoding;
  FixedString<kHeaderValueBytesMax> transfer_encoding;
  FixedString<kHeaderValueBytesMax> request_id;
  FixedString<kHeaderValueBytesMax> uploader;
  int hosts = 0;  // how many Host headers there were
  int content_types = 0;
  int content_encodings = 0;
  int transfer_encodings = 0;
  bool target_overflow = false;
  bool host_overflow = false;
  bool content_type_overflow = false;
  bool expects_continue = false;  // there is an Expect header
  UploadHeaders upload;

  // Working state of the reader.
  FixedString<kHeaderNameBytesMax> name;
  bool name_overflow = false;
  bool in_value = false;
  Field field = Field::kOther;
  UploadHeaders::Field upload_field = UploadHeaders::Field::kNone;
  FixedString<kFirstLineBytesMax> first_line;  // only for a line that no parser takes

  void clear() {
    target.clear();
    host.clear();
    content_type.clear();
    content_encoding.clear();
    transfer_encoding.clear();
    request_id.clear();
    uploader.clear();
    hosts = content_types = content_encodings = transfer_encodings = 0;
    target_overflow = host_overflow = content_type_overflow = expects_continue = false;
    name.clear();
    name_overflow = in_value = false;
    field = Field::kOther;
    upload.clear();
    upload_field = UploadHeaders::Field::kNone;
    first_line.clear();
  }
};

}  // namespace soundgate
