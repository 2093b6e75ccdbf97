// soundgate uploads: those in flight.
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

// A client chooses its path: it must not push the other columns off the screen.
constexpr size_t kRequestColumns = 40;

Result<std::unique_ptr<Backend>> open_daemon(const Invocation& invocation) {
  if (invocation.store.empty()) return invocation.open();
  return fail(ErrorCode::kInvalid,
              "a store has no uploads in flight: ask the daemon, with --socket");
}

std::string bytes_text(const Json& upload) {
  const std::string so_far = size_text(number_field(upload, "bytes"));
  const double all = number_field(upload, "body_bytes");
  return all > 0 ? so_far + " of " + size_text(all) : so_far;
}

void print_upload(const Invocation& invocation, const Json& upload) {
  if (invocation.json) return print_json(upload);
  const auto line = [](const char* label, const std::string& value) {
    print_line(pad(label, 12) + value);
  };
  line("upload", field(upload, "upload_id"));
  line("state", field(upload, "state") + ", waiting for: " + field(upload, "waiting_for"));
  line("bytes", bytes_text(upload));
  if (number_field(upload, "held_seconds") > 0) {
    line("held", short_duration(number_field(upload, "held_seconds")));
  }
  line("client", field(upload, "client"));
  line("request",
       field(upload, "method") + " " + field(upload, "host") + " " + field(upload, "path"));
  if (const std::string id = field(upload, "request_id"); !id.empty()) line("request id", id);
  line("mode", field(upload, "mode"));
}

}  // namespace

Result<int> list_uploads(const Invocation& invocation) {
  auto backend = open_daemon(invocation);
  if (!backend) return tl::unexpected(backend.error());
  const auto uploads = (*backend)->call({.method = "GET", .path = {"v1", "uploads"}});
  if (!uploads) return tl::unexpected(uploads.error());
  Table table({"UPLOAD", "STATE", "BYTES", "CLIENT", "REQUEST", "HELD", "WAITING FOR"});
  for (const Json& upload : uploads->at("uploads")) {
    if (invocation.json) print_json(upload);
    const double held = number_field(upload, "held_seconds");
    table.add({field(upload, "upload_id"), field(upload, "state"),
               size_text(number_field(upload, "bytes")), field(upload, "client"),
               shortened(field(upload, "method") + " " + field(upload, "path"), kRequestColumns),
               held > 0 ? short_duration(held) : "", field(upload, "waiting_for")});
  }
  if (!invocation.json) table.print();
  return 0;
}

Result<int> show_upload(const Invocation& invocation, const UploadOptions& options) {
  auto backend = open_daemon(invocation);
  if (!backend) return tl::unexpected(backend.error());
  const auto upload =
      (*backend)->call({.method = "GET", .path = {"v1", "uploads", options.upload_id}});
  if (!upload) {
    Error error = upload.error();
    if (error.code == ErrorCode::kNotFound) {
      error.message += " (soundgate decisions show says what became of one that has left)";
    }
    return tl::unexpected(error);
  }
  print_upload(invocation, *upload);
  return 0;
}

Result<int> release_upload(const Invocation& invocation, const UploadOptions& options) {
  auto backend = open_daemon(invocation);
  if (!backend) return tl::unexpected(backend.error());
  const auto upload =
      (*backend)->call({.method = "POST", .path = {"v1", "uploads", options.upload_id, "release"}});
  if (!upload) return tl::unexpected(upload.error());
  if (invocation.json) {
    print_json(*upload);
  } else {
    const bool was_blocked = field(*upload, "state") == "parts_pass";
    print_line((was_blocked ? "parts of it pass again: " : "released, unchecked: ") +
               field(*upload, "upload_id"));
  }
  return 0;
}

}  // namespace soundgate
