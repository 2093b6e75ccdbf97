// soundgate enroll: files, directories, standard input or a recorded upload become references.
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/enrolled_text.h"
#include "control/cli/files.h"
#include "control/cli/in_order.h"
#include "control/cli/output.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

BackendRequest enroll_request(const EnrollOptions& options, const std::string& title) {
  BackendRequest request{.method = "POST", .path = {"v1", "banks", options.bank, "items"}};
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) request.query.emplace_back(key, value);
  };
  add("title", title);
  add("content_id", options.content_id);
  add("metadata", options.metadata);
  add("upload", options.upload_id);
  return request;
}

void print_skipped(const Invocation& invocation, const EnrollOptions& options,
                   const std::string& path) {
  if (invocation.json) {
    print_json({{"path", path}, {"bank", options.bank}, {"skipped", "not_audio"}});
  } else {
    print_line(pad("skipped", 8) + "  not audio: " + escape_controls(path));
  }
}

Result<Json> enroll_file(Backend& backend, const EnrollOptions& options, const InputFile& file) {
  auto source = open_file(file.path);
  if (!source) return tl::unexpected(source.error());
  const std::string title = options.title.empty() ? title_of(file.path) : options.title;
  BackendRequest request = enroll_request(options, title);
  request.body = source->get();
  return backend.call(request).map_error(
      [&](const Error& error) { return about_file(error, file.path); });
}

Result<void> check(const EnrollOptions& options, const InputFiles& input) {
  if (!options.upload_id.empty() && !input.files.empty()) {
    return fail(ErrorCode::kInvalid, "--upload enrols a recorded upload: no FILE goes with it");
  }
  if (options.upload_id.empty() && options.paths.empty()) {
    return fail(ErrorCode::kInvalid,
                "there is nothing to enrol: FILE, DIR, -, --upload or --fingerprints is missing");
  }
  const bool one = options.paths.size() <= 1 && input.files.size() <= 1;
  if (one || (options.title.empty() && options.content_id.empty())) return {};
  return fail(ErrorCode::kInvalid, "--title and --content-id name one item, not several");
}

Result<int> enroll_upload(const Invocation& invocation, const EnrollOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto item = (*backend)->call(enroll_request(options, options.title));
  if (!item) return tl::unexpected(item.error());
  print_enrolled(invocation, options.upload_id, *item);
  return 0;
}

}  // namespace

Result<int> enroll_files(const Invocation& invocation, const EnrollOptions& options) {
  if (!options.fingerprints.empty()) return enroll_fingerprints(invocation, options);
  const InputFiles input = list_files(options.paths);
  if (auto checked = check(options, input); !checked) return tl::unexpected(checked.error());
  if (!options.upload_id.empty()) return enroll_upload(invocation, options);
  auto backend = invocation.open({.file_count = input.files.size()});
  if (!backend) return tl::unexpected(backend.error());
  const auto bank = (*backend)->call({.method = "GET", .path = {"v1", "banks", options.bank}});
  if (!bank) return tl::unexpected(bank.error());

  int exit = input.unreadable_count > 0 ? 1 : 0;
  Progress progress(input.files.size(), !invocation.quiet);
  const auto work = [&](size_t i) { return enroll_file(**backend, options, input.files[i]); };
  const auto consume = [&](size_t i, const Result<Json>& item) {
    progress.step();
    if (item) return print_enrolled(invocation, input.files[i].path, *item);
    if (input.files[i].from_directory && item.error().reason == "not_audio") {
      return print_skipped(invocation, options, input.files[i].path);
    }
    print_message(item.error().message);
    if (exit == 0) exit = exit_code(item.error().code);
  };
  const auto threads = static_cast<size_t>((*backend)->files_at_once());
  run_in_order<Result<Json>>(input.files.size(), threads, work, consume);
  return exit;
}

}  // namespace soundgate
