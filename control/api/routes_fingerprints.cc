// Fingerprints: the references of a bank as text, in and out, with no audio to decode.
#include <charconv>
#include <nlohmann/json.hpp>

#include "control/api/fingerprint_json.h"
#include "control/api/reference_json.h"
#include "control/api/router.h"
#include "control/api/services.h"
#include "control/decisions/verdict_json.h"
#include "control/json_pieces.h"
#include "control/limits.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

// One page: what follows a content id, until there is enough.
Result<ApiResponse> export_page(const Services& services, const ApiCall& call) {
  Json items = Json::array();
  std::string after = call.query("after");
  size_t bytes = 0;
  for (;;) {
    const auto next = lift(services.index.reference_after(call.part("bank"), after));
    if (!next) return tl::unexpected(next.error());
    if (!*next) return json_response({{"items", std::move(items)}, {"next", nullptr}});
    if (items.size() >= kFingerprintBatch || bytes >= kFingerprintBatchBytes) break;
    items.push_back(exported_json(**next));
    bytes +=
        (*next)->fingerprint.items.size() * sizeof(Item) + (*next)->reference.metadata_json.size();
    after = (*next)->reference.content_id;
  }
  return json_response({{"items", std::move(items)}, {"next", after}});
}

Result<int64_t> first_line_of(const ApiCall& call) {
  const std::string text = call.query("line");
  if (text.empty()) return 1;
  int64_t line = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), line);
  if (error == std::errc{} && end == text.data() + text.size() && line > 0) return line;
  return fail(ErrorCode::kInvalid, "line must be a whole number from 1");
}

// The import of one request: objects are enrolled in batches, each in one write, and each has its
// result, in their order.
class Import {
 public:
  Import(const Services& services, const ApiCall& call)
      : services_(services), call_(call), overlaps_(call.query("overlaps") == "true") {}

  void take(const JsonPiece& piece) {
    lines_.push_back({{"line", piece.line}});
    auto imported = read(piece);
    if (!imported) return set_error(lines_.size() - 1, imported.error());
    pending_.push_back(std::move(imported->request));
    places_.push_back({lines_.size() - 1, imported->is_partial});
    pending_bytes_ += piece.text.size();
    if (pending_.size() >= kFingerprintBatch || pending_bytes_ >= kFingerprintBatchBytes) write();
  }

  Json finish() {
    write();
    return std::move(lines_);
  }

 private:
  struct Place {
    size_t line_index;
    bool is_partial;
  };

  // What the request itself says of its references comes before what they say.
  Result<ImportedReference> read(const JsonPiece& piece) const {
    if (!piece.problem.empty()) return fail(ErrorCode::kInvalid, piece.problem);
    const std::string content_id = call_.query("content_id");
    if (!content_id.empty() && lines_.size() > 1) {
      return fail(ErrorCode::kInvalid, "content_id names one reference, not several");
    }
    auto imported = imported_reference(piece.text);
    if (!imported) return imported;
    EnrollRequest& request = imported->request;
    request.bank = call_.part("bank");
    if (!content_id.empty()) request.content_id = content_id;
    if (!call_.query("metadata").empty()) request.metadata_json = call_.query("metadata");
    if (!call_.query("title").empty()) request.title = call_.query("title");
    if (request.title.empty()) request.title = derived_title(piece, request.content_id);
    return imported;
  }

  std::string derived_title(const JsonPiece& piece, const std::string& content_id) const {
    const std::string source = call_.query("source");
    return source.empty() ? content_id : source + ":" + std::to_string(piece.line);
  }

  void write() {
    const auto results = overlaps_ ? one_by_one() : services_.index.enroll_all(pending_);
    for (size_t i = 0; i < results.size(); ++i) {
      auto result = lift(results[i]);
      if (!result) {
        set_error(places_[i].line_index, result.error());
        continue;
      }
      if (places_[i].is_partial) result->warnings.emplace_back("partial");
      lines_[places_[i].line_index].update(enrolled_json(pending_[i], *result));
    }
    pending_.clear();
    places_.clear();
    pending_bytes_ = 0;
  }

  // So that each is compared with those before it.
  std::vector<IndexResult<EnrollResult>> one_by_one() const {
    std::vector<IndexResult<EnrollResult>> results;
    for (const EnrollRequest& request : pending_)
      results.push_back(services_.index.enroll(request));
    return results;
  }

  void set_error(size_t line_index, const Error& error) {
    lines_[line_index]["error"] = {{"code", name(error.code)}, {"message", error.message}};
  }

  const Services& services_;
  const ApiCall& call_;
  const bool overlaps_;
  Json lines_ = Json::array();
  std::vector<EnrollRequest> pending_;
  std::vector<Place> places_;  // of what is pending
  size_t pending_bytes_ = 0;
};

Result<ApiResponse> import(const Services& services, const ApiCall& call) {
  const auto bank = lift(services.index.bank(call.part("bank")));
  if (!bank) return tl::unexpected(bank.error());
  const auto first_line = first_line_of(call);
  if (!first_line) return tl::unexpected(first_line.error());
  const std::string metadata = call.query("metadata");
  if (!metadata.empty() && !parse_untrusted(metadata).is_object()) {
    return fail(ErrorCode::kInvalid, "metadata must be a JSON object, nested at most 64 deep");
  }
  if (call.request.body == nullptr) {
    return fail(ErrorCode::kInvalid, "there are no fingerprints in the request");
  }
  JsonPieces pieces(*call.request.body, kFingerprintTextBytesMax, *first_line);
  Import import(services, call);
  for (size_t count = 0;; ++count) {
    auto piece = pieces.next();
    if (!piece) return tl::unexpected(piece.error());
    if (!*piece) break;
    if (count == kFingerprintsPerRequestMax) {
      (*piece)->problem = "this and what follows is too much for one request, and was not read";
    }
    import.take(**piece);
    if (count == kFingerprintsPerRequestMax) break;
  }
  return json_response({{"results", import.finish()}});
}

}  // namespace

void add_fingerprint_routes(Router& router, const Services& services) {
  const Services* s = &services;
  const std::string fingerprints = "/v1/banks/{bank}/fingerprints";
  router.add({"GET", fingerprints, Role::kCurator, {"after"}, [s](const ApiCall& c) {
                return export_page(*s, c);
              }});
  router.add({"POST",
              fingerprints,
              Role::kCurator,
              {"title", "content_id", "metadata", "overlaps", "source", "line"},
              [s](const ApiCall& c) { return import(*s, c); }});
}

}  // namespace soundgate
