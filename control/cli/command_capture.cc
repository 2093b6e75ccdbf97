// soundgate capture: packets as they pass, in a file that whoever asks for it writes: the daemon
// needs no right to the place, and we none to the daemon's files.
#include <signal.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/cli/whole_blocks.h"
#include "control/decisions/upload_id.h"
#include "control/limits.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

Result<std::unique_ptr<Backend>> open_daemon(const Invocation& invocation) {
  if (invocation.store.empty()) return invocation.open();
  return fail(ErrorCode::kInvalid, "a store has no packets: ask the daemon, with --socket");
}

std::string new_id() {
  std::random_device entropy;
  UploadIdMaker maker(static_cast<uint64_t>(entropy()) << 32 | entropy());
  return maker.make(std::chrono::system_clock::now()).data();
}

// Ctrl-C ends the capture, not us: what comes after it is the end of the file. Once more, and we go
// as anybody does (the file has whole blocks at any moment).
class StopOnSignal {
 public:
  explicit StopOnSignal(std::function<void()> stop) : stop_(std::move(stop)) {
    sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals_, signal);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    thread_ = std::jthread([this](const std::stop_token& over) { wait(over); });
  }

 private:
  void wait(const std::stop_token& over) {
    constexpr timespec kPeriod{0, 100'000'000};
    while (!over.stop_requested()) {
      if (sigtimedwait(&signals_, nullptr, &kPeriod) <= 0) continue;
      pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
      stop_();  // may wait for a daemon that does not answer
      return;
    }
  }

  const std::function<void()> stop_;
  sigset_t signals_{};
  std::jthread thread_;
};

void stop_quietly(const Invocation& invocation, const std::string& capture_id) {
  auto backend = invocation.open();
  if (backend) {
    (void)(*backend)->call({.method = "DELETE", .path = {"v1", "captures", capture_id}});
  }
}

Json request_json(const CaptureOptions& options, const std::string& capture_id) {
  Json request = {{"capture_id", capture_id},       {"until", options.until},
                  {"bytes_max", options.bytes_max}, {"frame_bytes_max", options.frame_bytes_max},
                  {"written", options.written},     {"reason", options.reason}};
  if (!options.client.empty()) request["client"] = options.client;
  if (!options.upload_id.empty()) request["upload_id"] = options.upload_id;
  return request;
}

Result<void> copy(ByteSource& source, CaptureOutput& output) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kReadPieceBytes);
  for (;;) {
    const auto bytes = source.read({buffer.get(), kReadPieceBytes});
    if (!bytes) return tl::unexpected(bytes.error());
    if (*bytes == 0) return output.finish();
    if (auto written = output.write({buffer.get(), *bytes}); !written) return written;
  }
}

// Where soundgated does not answer any more, it has stopped, and the capture with it: its end came.
Json record_of(Backend& backend, const std::string& capture_id, int64_t bytes) {
  const auto record = backend.call({.method = "GET", .path = {"v1", "captures", capture_id}});
  if (record) return *record;
  return {{"capture_id", capture_id}, {"ended_by", "shutdown"}, {"bytes", bytes}};
}

std::string whose(const Json& record) {
  const std::string upload = field(record, "upload_id");
  return upload.empty() ? field(record, "client")
                        : "upload " + upload + " (" + field(record, "client") + ")";
}

std::string count(const Json& record, const char* key) {
  return std::to_string(static_cast<long long>(number_field(record, key)));
}

// The packets themselves may be on their way to standard output.
void print_end(const Invocation& invocation, const CaptureOptions& options, Json record) {
  const bool to_file = options.output != "-";
  if (number_field(record, "lost_frames") > 0) {
    print_message(count(record, "lost_frames") +
                  " frames are missing: they came faster than they could be written");
  }
  if (to_file && invocation.json) {
    record["file"] = utf8_or_escaped(options.output);
    print_json(record);
    return;
  }
  const std::string frames =
      record.contains("frames") ? count(record, "frames") + " frames, " : std::string();
  const std::string text = "captured " + frames + size_text(number_field(record, "bytes")) +
                           ", ended by " + field(record, "ended_by");
  if (to_file) {
    print_line(text + ": " + escape_controls(options.output));
  } else if (!invocation.quiet) {
    print_message(text);
  }
}

}  // namespace

Result<int> capture(const Invocation& invocation, const CaptureOptions& options) {
  auto backend = open_daemon(invocation);
  if (!backend) return tl::unexpected(backend.error());
  auto output = CaptureOutput::make(options.output);
  if (!output) return tl::unexpected(output.error());
  const std::string capture_id = new_id();
  const StopOnSignal stop([&] { stop_quietly(invocation, capture_id); });
  auto stream =
      (*backend)->stream({.method = "POST", .path = {"v1", "captures"}, .takes_long = true},
                         request_json(options, capture_id));
  if (!stream) return tl::unexpected(stream.error());
  if (!invocation.quiet) {
    print_message("capturing for " + options.until + ", or until Ctrl-C, what " +
                  (options.client.empty() ? "is on the connection of " + options.upload_id
                                          : "comes from and goes to " + options.client));
  }
  const auto copied = copy(**stream, **output);
  stream->reset();  // its end, for the daemon
  if (!copied) {
    Error error = copied.error();
    if ((*output)->bytes() > 0 && (*output)->is_file()) {
      error.message += "; " + escape_controls(options.output) + " has what came before (" +
                       size_text(static_cast<double>((*output)->bytes())) + ")";
    }
    return tl::unexpected(error);
  }
  print_end(invocation, options, record_of(**backend, capture_id, (*output)->bytes()));
  return 0;
}

Result<int> list_captures(const Invocation& invocation) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto captures = (*backend)->call({.method = "GET", .path = {"v1", "captures"}});
  if (!captures) return tl::unexpected(captures.error());
  Table table({"CAPTURE", "BEGAN", "ENDED", "BY", "OF", "FRAMES", "LOST", "REASON"});
  for (const Json& record : captures->at("captures")) {
    if (invocation.json) print_json(record);
    table.add({field(record, "capture_id"), field(record, "began"), field(record, "ended"),
               field(record, "by"), whose(record), count(record, "frames"),
               count(record, "lost_frames"), field(record, "reason")});
  }
  if (!invocation.json) table.print();
  return 0;
}

Result<int> stop_capture(const Invocation& invocation, const CaptureOptions& options) {
  auto backend = open_daemon(invocation);
  if (!backend) return tl::unexpected(backend.error());
  std::string capture_id = options.capture_id;
  if (capture_id.empty()) {
    const auto status = (*backend)->call({.method = "GET", .path = {"v1", "status"}});
    if (!status) return tl::unexpected(status.error());
    capture_id = field(status->value("capture", Json::object()), "capture_id");
    if (capture_id.empty()) return fail(ErrorCode::kNotFound, "no capture runs");
  }
  const auto record =
      (*backend)->call({.method = "DELETE", .path = {"v1", "captures", capture_id}});
  if (!record) return tl::unexpected(record.error());
  if (invocation.json) {
    print_json(*record);
  } else {
    print_line("stopped: " + whose(*record) + ", " + count(*record, "frames") + " frames");
  }
  return 0;
}

}  // namespace soundgate
