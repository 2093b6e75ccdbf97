// What a request's head says of the upload that its body is a part of: tus 1.0 (creation, parts,
// status, termination, concatenation), Content-Range, and the parts of object stores.
// Input: headers, one after the other; then method and target.  Output: an UploadRequest.
// Errors: kAmbiguous where two origins may understand a number differently.
// Thread: the owning lcore.  Memory: fixed; longer values count as ambiguous, where they count.
// Source: tus.io/protocols/resumable-upload (1.0.0); RFC 9110 section 14.4 (Content-Range).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "dataplane/http/fixed_string.h"
#include "dataplane/limits.h"
#include "dataplane/tcp/sequence.h"

namespace soundgate {

struct RequestHead;

class UploadHeaders {
 public:
  enum class Field : uint8_t {
    kNone,
    kTusResumable,
    kUploadOffset,
    kUploadLength,
    kUploadDeferLength,
    kUploadConcat,
    kMethodOverride,
    kContentRange,
    kUploadComplete,  // of the IETF's draft: "?0" for a part
    kGoogCommand,     // X-Goog-Upload-Command: "upload", "upload, finalize", …
    kGoogOffset,
  };
  static constexpr size_t kFields = static_cast<size_t>(Field::kGoogOffset) + 1;

  static Field field_named(std::string_view name);

  void begin(Field field);  // a header of this name begins
  void append(Field field, std::string_view value);
  void clear();

  bool none() const;  // of these headers
  bool has(Field field) const { return counts_[static_cast<size_t>(field)] > 0; }
  // Without blanks around it; empty where there is none.
  std::string_view value(Field field) const;
  // More than one header of this name, or one that did not fit.
  bool is_odd(Field field) const;

 private:
  std::array<uint8_t, kFields> counts_{};
  std::array<bool, kFields> overflowed_{};
  std::array<FixedString<kUploadHeaderBytesMax>, kFields> values_;
  FixedString<kConcatenationBytesMax> concatenation_;  // the resources that are put together
};

// What a request does to an upload.
enum class UploadStep : uint8_t {
  kNone,           // nothing of the kind: a body is an upload of its own
  kCreation,       // of a resource; a body is its first part
  kPart,           // bytes of a resource, from an offset on
  kStatus,         // asks how far it is
  kTermination,    // of a resource
  kConcatenation,  // of resources
  kPiece,          // one of several bodies that the origin puts together in another way
  kAmbiguous,
};

struct UploadRequest {
  UploadStep step = UploadStep::kNone;
  uint64_t offset = kNoOffset;  // kPart: of the body's first byte in the resource
  uint64_t length = kNoOffset;  // of the whole resource, where the request says it
  bool deferred = false;        // kCreation: a part will say the length
  bool partial = false;         // kCreation: of a resource that is to be concatenated
  bool is_tus_body = false;     // what the body is called is a part of a resource
  std::string_view resources;   // kConcatenation: separated by blanks; lives as long as the head
};

// has_body: a length above 0, or chunks.
UploadRequest read_upload_request(unsigned method, const RequestHead& head, bool has_body);

// What X-HTTP-Method-Override says, in capitals, which origins may take for the method; or empty.
std::string_view overriding_method(const RequestHead& head, std::span<char> out);

// Digits only, and small enough to be an offset.
bool parse_upload_number(std::string_view text, uint64_t& number);

}  // namespace soundgate
