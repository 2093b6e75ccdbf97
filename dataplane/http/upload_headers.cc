#include "dataplane/http/upload_headers.h"

#include <http_parser.h>
#include <strings.h>

#include <algorithm>
#include <charconv>

#include "dataplane/http/inspect_rules.h"
#include "dataplane/http/request_head.h"

namespace soundgate {
namespace {

using Field = UploadHeaders::Field;

struct FieldName {
  std::string_view name;
  Field field;
};

constexpr FieldName kNames[] = {
    {"tus-resumable", Field::kTusResumable},
    {"upload-offset", Field::kUploadOffset},
    {"upload-length", Field::kUploadLength},
    {"upload-defer-length", Field::kUploadDeferLength},
    {"upload-concat", Field::kUploadConcat},
    {"x-http-method-override", Field::kMethodOverride},
    {"content-range", Field::kContentRange},
    {"upload-complete", Field::kUploadComplete},
    {"upload-incomplete", Field::kUploadComplete},
    {"x-goog-upload-command", Field::kGoogCommand},
    {"x-goog-upload-offset", Field::kGoogOffset},
};

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return same(text.substr(0, prefix.size()), prefix);
}

bool has_parameter(std::string_view query, std::string_view name, std::string_view value = "") {
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    const size_t equals = std::min(one.find('='), one.size());
    const bool named = same(one.substr(0, equals), name);
    if (named && (value.empty() || same(one.substr(std::min(equals + 1, one.size())), value))) {
      return true;
    }
    query.remove_prefix(std::min(one.size() + 1, query.size()));
  }
  return false;
}

// "bytes 0-99/100" is all there is; anything else is a part of more.
bool is_whole_range(std::string_view range) {
  if (!starts_with(range, "bytes ")) return false;
  range.remove_prefix(6);
  const size_t dash = range.find('-');
  const size_t slash = range.find('/');
  if (dash == range.npos || slash == range.npos || dash > slash) return false;
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t length = 0;
  return parse_upload_number(range.substr(0, dash), first) &&
         parse_upload_number(range.substr(dash + 1, slash - dash - 1), last) &&
         parse_upload_number(range.substr(slash + 1), length) && first == 0 && last + 1 == length;
}

bool is_object_store_part(std::string_view target) {
  const size_t mark = target.find('?');
  if (mark == target.npos) return false;
  const std::string_view query = target.substr(mark + 1, target.find('#', mark) - mark - 1);
  const bool s3 = has_parameter(query, "partNumber") && has_parameter(query, "uploadId");
  const bool azure = has_parameter(query, "comp", "block") ||
                     has_parameter(query, "comp", "page") ||
                     has_parameter(query, "comp", "appendblock");
  return s3 || azure;
}

bool is_piece(const RequestHead& head) {
  const UploadHeaders& upload = head.upload;
  if (upload.has(Field::kContentRange)) {
    return upload.is_odd(Field::kContentRange) ||
           !is_whole_range(upload.value(Field::kContentRange));
  }
  // An upload in one go has "upload, finalize" and the offset 0.
  if (upload.has(Field::kGoogCommand)) {
    const std::string_view command = upload.value(Field::kGoogCommand);
    const bool finalizes = command.find("finalize") != command.npos;
    return !finalizes || upload.value(Field::kGoogOffset) != "0";
  }
  if (upload.has(Field::kUploadComplete) || upload.has(Field::kUploadOffset)) return true;
  return is_object_store_part(head.target.view());
}

UploadRequest ambiguous() { return {.step = UploadStep::kAmbiguous, .resources = {}}; }

bool has_tus_body(const RequestHead& head) {
  return same(trimmed(head.content_type.view()), "application/offset+octet-stream");
}

UploadRequest read_part(const RequestHead& head, bool has_body) {
  const UploadHeaders& upload = head.upload;
  UploadRequest request{.step = UploadStep::kPart, .resources = {}};
  request.is_tus_body = has_tus_body(head);
  const bool says_length = upload.has(Field::kUploadLength);
  const bool clear =
      !upload.is_odd(Field::kUploadOffset) && !upload.is_odd(Field::kUploadLength) &&
      parse_upload_number(upload.value(Field::kUploadOffset), request.offset) &&
      (!says_length || parse_upload_number(upload.value(Field::kUploadLength), request.length));
  if (clear) return request;
  return has_body || says_length ? ambiguous() : UploadRequest{};
}

// Without a body, what cannot be understood is not learnt from.
UploadRequest read_creation(const RequestHead& head, bool has_body) {
  const UploadHeaders& upload = head.upload;
  UploadRequest request{.step = UploadStep::kCreation, .resources = {}};
  const std::string_view concat = upload.value(Field::kUploadConcat);
  if (starts_with(concat, "final")) {
    request.step = UploadStep::kConcatenation;
    request.resources = concat.substr(std::min(concat.find(';'), concat.size() - 1) + 1);
    // Each costs as much as the folder is long that it is in.
    const auto blanks = std::ranges::count_if(concat, [](char c) { return c == ' ' || c == '\t'; });
    const bool are_many =
        blanks >= kConcatenatedMax || head.target.view().size() > kLocationBytesMax;
    return upload.is_odd(Field::kUploadConcat) || are_many ? ambiguous() : request;
  }
  const bool says_length = upload.has(Field::kUploadLength);
  request.deferred = upload.has(Field::kUploadDeferLength);
  request.partial = upload.has(Field::kUploadConcat);
  request.is_tus_body = has_tus_body(head);
  const bool clear =
      says_length != request.deferred && !upload.is_odd(Field::kUploadLength) &&
      (!says_length || parse_upload_number(upload.value(Field::kUploadLength), request.length));
  if (clear) return request;
  // Only an origin that knows tus looks at these headers at all.
  const bool is_tus = has_body && upload.has(Field::kTusResumable);
  return is_tus && request.is_tus_body ? ambiguous() : UploadRequest{};
}

}  // namespace

// Some origins (CGI, WSGI) cannot tell Upload_Offset from Upload-Offset.
Field UploadHeaders::field_named(std::string_view name) {
  const auto is_like = [](char a, char b) {
    return b == '-' ? a == '-' || a == '_' : (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
  };
  for (const FieldName& known : kNames) {
    if (std::ranges::equal(name, known.name, is_like)) return known.field;
  }
  return Field::kNone;
}

void UploadHeaders::begin(Field field) {
  uint8_t& count = counts_[static_cast<size_t>(field)];
  if (field != Field::kNone && count < UINT8_MAX) ++count;
}

void UploadHeaders::append(Field field, std::string_view value) {
  const auto index = static_cast<size_t>(field);
  if (field == Field::kNone || counts_[index] != 1) return;
  const bool fits =
      field == Field::kUploadConcat ? concatenation_.append(value) : values_[index].append(value);
  overflowed_[index] = overflowed_[index] || !fits;
}

void UploadHeaders::clear() {
  counts_.fill(0);
  overflowed_.fill(false);
  for (auto& value : values_) value.clear();
  concatenation_.clear();
}

bool UploadHeaders::none() const {
  return std::ranges::all_of(counts_, [](uint8_t count) { return count == 0; });
}

std::string_view UploadHeaders::value(Field field) const {
  return trimmed(field == Field::kUploadConcat ? concatenation_.view()
                                               : values_[static_cast<size_t>(field)].view());
}

bool UploadHeaders::is_odd(Field field) const {
  const auto index = static_cast<size_t>(field);
  return counts_[index] > 1 || overflowed_[index];
}

bool parse_upload_number(std::string_view text, uint64_t& number) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return !text.empty() && error == std::errc() && rest == end && number <= kBodyBytesMax;
}

std::string_view overriding_method(const RequestHead& head, std::span<char> out) {
  const std::string_view value = head.upload.value(Field::kMethodOverride);
  const size_t bytes = std::min(value.size(), out.size());
  std::transform(
      value.begin(), value.begin() + static_cast<std::ptrdiff_t>(bytes), out.begin(),
      [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return {out.data(), bytes};
}

// Some origins take any request for what its override says, others for what its method is: it is a
// step where it is one to either. (Where it is none to the origin, its body is looked at all the
// same: no resource is known there.)
UploadRequest read_upload_request(unsigned method, const RequestHead& head, bool has_body) {
  const UploadHeaders& upload = head.upload;
  const std::string_view meant = upload.value(Field::kMethodOverride);
  const bool says_several = upload.is_odd(Field::kMethodOverride);
  const bool patches = method == HTTP_PATCH || same(meant, "PATCH") || says_several;
  const bool posts = method == HTTP_POST || same(meant, "POST");
  if (patches && upload.has(Field::kUploadOffset)) return read_part(head, has_body);
  const bool creates = upload.has(Field::kUploadLength) || upload.has(Field::kUploadDeferLength) ||
                       upload.has(Field::kUploadConcat);
  if (posts && creates) {
    const UploadRequest request = read_creation(head, has_body);
    if (request.step != UploadStep::kNone) return request;
  }
  if (has_body && is_piece(head)) return {.step = UploadStep::kPiece, .resources = {}};
  if (upload.has(Field::kTusResumable)) {
    if (method == HTTP_HEAD) return {.step = UploadStep::kStatus, .resources = {}};
    if (method == HTTP_DELETE) return {.step = UploadStep::kTermination, .resources = {}};
  }
  return {};
}

}  // namespace soundgate
