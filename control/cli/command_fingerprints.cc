// soundgate enroll --fingerprints and bank export: references as text, in and out.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/cli/commands.h"
#include "control/cli/enrolled_text.h"
#include "control/cli/files.h"
#include "control/cli/output.h"
#include "control/json_pieces.h"
#include "control/limits.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

// Sends a file's objects on in batches, none of them larger than a request may be, and tells of
// each what became of it once that is known.
class Importer {
 public:
  Importer(const Invocation& invocation, const EnrollOptions& options, Backend& backend)
      : invocation_(invocation), options_(options), backend_(backend) {}

  Result<int> run(ByteSource& source) {
    JsonPieces pieces(source, kFingerprintTextBytesMax);
    for (;;) {
      const auto piece = pieces.next();
      if (!piece) return tl::unexpected(piece.error());
      if (!*piece) break;
      if (auto taken = take(**piece); !taken) return tl::unexpected(taken.error());
    }
    if (auto sent = send(); !sent) return tl::unexpected(sent.error());
    return exit_;
  }

 private:
  Result<void> take(const JsonPiece& piece) {
    const bool named = !options_.title.empty() || !options_.content_id.empty();
    if (++piece_count_ > 1 && named) {
      return fail(ErrorCode::kInvalid,
                  "--title and --content-id name one item, and " + file_name() + " has several");
    }
    if (!piece.problem.empty()) {
      if (auto sent = send(); !sent) return sent;
      tell_error(piece.line, piece.problem);
      return {};
    }
    if (!has_room(piece)) {
      if (auto sent = send(); !sent) return sent;
    }
    if (count_ == 0) first_line_ = next_line_ = piece.line;
    // Lines keep their numbers, so that the other side can name them.
    body_.append(static_cast<size_t>(piece.line - next_line_), '\n');
    body_ += piece.text;
    next_line_ = piece.line + std::count(piece.text.begin(), piece.text.end(), '\n');
    ++count_;
    return {};
  }

  bool has_room(const JsonPiece& piece) const {
    const auto skipped = static_cast<size_t>(count_ == 0 ? 0 : piece.line - next_line_);
    return count_ < kFingerprintBatch &&
           body_.size() + skipped + piece.text.size() <= kFingerprintBatchBytes;
  }

  Result<void> send() {
    if (count_ == 0) return {};
    const auto answer = backend_.call_text(request(), std::exchange(body_, {}));
    count_ = 0;
    if (!answer) return tl::unexpected(answer.error());
    for (const Json& result : answer->value("results", Json::array())) tell(result);
    return {};
  }

  BackendRequest request() const {
    BackendRequest request{.method = "POST",
                           .path = {"v1", "banks", options_.bank, "fingerprints"}};
    const auto add = [&](const char* key, const std::string& value) {
      if (!value.empty()) request.query.emplace_back(key, value);
    };
    add("title", options_.title);
    add("content_id", options_.content_id);
    add("metadata", options_.metadata);
    add("overlaps", options_.overlaps ? "true" : "");
    add("source", title_of(options_.fingerprints));
    add("line", std::to_string(first_line_));
    return request;
  }

  void tell(const Json& result) {
    if (!result.contains("error"))
      return print_enrolled(invocation_, options_.fingerprints, result);
    tell_error(result.value("line", int64_t{0}), field(result["error"], "message"));
  }

  void tell_error(int64_t line, const std::string& problem) {
    print_message(file_name() + ":" + std::to_string(line) + ": " + problem);
    exit_ = 1;
  }

  std::string file_name() const {
    return options_.fingerprints == "-" ? "standard input" : escape_controls(options_.fingerprints);
  }

  const Invocation& invocation_;
  const EnrollOptions& options_;
  Backend& backend_;
  int exit_ = 0;
  size_t piece_count_ = 0;

  std::string body_;  // what is to be sent
  size_t count_ = 0;  // of objects in it
  int64_t first_line_ = 1, next_line_ = 1;
};

}  // namespace

Result<int> enroll_fingerprints(const Invocation& invocation, const EnrollOptions& options) {
  if (!options.paths.empty() || !options.upload_id.empty()) {
    return fail(ErrorCode::kInvalid, "--fingerprints goes with neither FILE nor --upload");
  }
  auto source = open_file(options.fingerprints);
  if (!source) return tl::unexpected(source.error());
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto bank = (*backend)->call({.method = "GET", .path = {"v1", "banks", options.bank}});
  if (!bank) return tl::unexpected(bank.error());
  return Importer(invocation, options, **backend).run(**source);
}

Result<int> export_bank(const Invocation& invocation, const BankOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  BackendRequest request{.method = "GET", .path = {"v1", "banks", options.name, "fingerprints"}};
  while (std::ferror(stdout) == 0) {
    const auto page = (*backend)->call(request);
    if (!page) return tl::unexpected(page.error());
    for (const Json& item : page->value("items", Json::array())) print_json(item);
    const Json next = page->value("next", Json());
    if (!next.is_string()) break;
    request.query = {{"after", next.get<std::string>()}};
  }
  return 0;
}

}  // namespace soundgate
