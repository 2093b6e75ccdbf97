// soundgate status, mode: what the appliance does now.
#include <nlohmann/json.hpp>

#include "control/cli/commands.h"
#include "control/cli/output.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

std::string count(const Json& object, const char* key) {
  return std::to_string(static_cast<long long>(number_field(object, key)));
}

void line(const char* label, const std::string& value) { print_line(pad(label, 11) + value); }

void print_mode(const Json& mode) {
  line("mode", field(mode, "mode") + ", since " + field(mode, "since") + ", by " +
                   field(mode, "by") + ": " + field(mode, "reason"));
}

std::string port_text(const Json& port) {
  return "received " + count(port, "received_packets") + " packets (" +
         size_text(number_field(port, "received_bytes")) + "), sent " +
         count(port, "sent_packets") + " (" + size_text(number_field(port, "sent_bytes")) +
         "), dropped " + count(port, "dropped_packets");
}

void print_dataplane(const Json& packets) {
  if (packets.is_null()) return line("packets", "none: no dataplane is configured");
  line("client", port_text(packets["client_port"]));
  line("origin", port_text(packets["origin_port"]));
  const Json& flows = packets["flows"];
  std::string text = count(flows, "open") + " connections";
  if (number_field(flows, "midstream_open") > 0) {
    text += ", " + count(flows, "midstream_open") +
            " of them older than Soundgate (the oldest for " +
            short_duration(number_field(flows, "oldest_midstream_seconds")) + ")";
  }
  line("flows", text);
  const Json& held = packets["held"];
  line("held", count(held, "packets") + " packets, " + size_text(number_field(held, "bytes")));
  if (const std::string advice = field(packets["frames"], "advice"); !advice.empty()) {
    line("frames", advice);
  }
  for (const auto& [reason, times] : packets["reasons"].items()) {
    if (times != 0) line("", reason + ": " + times.dump());
  }
}

void print_decoders(const Json& decoders) {
  if (decoders.is_null()) return;
  long long restarts = 0;
  for (const Json& worker : decoders["workers"])
    restarts += static_cast<long long>(number_field(worker, "restarts"));
  line("decoders", std::to_string(decoders["workers"].size()) + " workers, " +
                       std::to_string(restarts) + " restarts, " + count(decoders, "crashes") +
                       " crashes, " + count(decoders, "timeouts") + " timeouts, " +
                       short_duration(number_field(decoders, "decoded_seconds")) + " of audio");
}

void print_bypass(const Json& bypass) {
  if (!bypass.is_object()) return;
  std::string text =
      bypass.value("watched", false) ? "ready" : "NOT WATCHED: start soundgate-bypass";
  if (const std::string last = field(bypass, "last_ended"); !last.empty()) {
    text += ", last until " + last + " (" + field(bypass, "last_cause") + ")";
  }
  line("bypass", text);
}

void print_status(const Json& status) {
  line("soundgate", field(status, "version") + ", pid " + field(status, "pid") + ", up " +
                        short_duration(number_field(status, "uptime_seconds")));
  print_mode(status.at("mode"));
  for (const auto& [key, label] : {std::pair("not_ready", "NOT READY"), {"degraded", "degraded"}}) {
    if (const std::string why = field(status, key); !why.empty()) line(label, why);
  }
  const Json drain = status.value("drain", Json());
  if (drain.is_object() && drain.value("draining", false)) {
    line("draining", "new uploads pass unchecked, since " + field(drain, "since") + ", by " +
                         field(drain, "by") + ": " + field(drain, "reason"));
  }
  const Json overload = status.value("overload", Json());
  if (overload.is_object() && field(overload, "step") != "none") {
    line("overload", field(overload, "step") + " (soundgate status --json counts each step)");
  }
  print_bypass(status.value("bypass", Json()));
  if (const double skips = number_field(status, "skips"); skips > 0) {
    line("skips", count(status, "skips") + " (soundgate skip list)");
  }
  if (const Json capture = status.value("capture", Json()); capture.is_object()) {
    line("capture", "of " + field(capture, "client") + ", by " + field(capture, "by") + ": " +
                        field(capture, "reason") + " (soundgate capture stop)");
  }
  print_dataplane(status.at("dataplane"));
  const Json& uploads = status.at("uploads");
  if (!uploads.is_null()) {
    line("uploads", count(uploads, "in_flight") + " in flight, " + count(uploads, "held") +
                        " held, " + count(uploads, "unrecorded") + " not recorded");
  }
  print_decoders(status.at("decoders"));
  const Json& index = status.at("index");
  line("index", "version " + count(index, "version") + ", " + count(index, "banks") + " banks, " +
                    count(index, "references") + " references (" + count(index, "suppressed") +
                    " suppressed), " + short_duration(number_field(index, "reference_seconds")) +
                    " of audio");
  for (const Json& complaint : index.value("complaints", Json::array())) {
    line("", escape_controls(complaint.get<std::string>()));
  }
  const Json& decisions = status.at("decisions");
  line("decisions", count(decisions, "count") + ": " + count(decisions, "pass") + " pass, " +
                        count(decisions, "flag") + " flag, " + count(decisions, "block") +
                        " block");
}

}  // namespace

Result<int> show_status(const Invocation& invocation) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto status = (*backend)->call({.method = "GET", .path = {"v1", "status"}});
  if (!status) return tl::unexpected(status.error());
  if (invocation.json) {
    print_json(*status);
  } else {
    print_status(*status);
  }
  return 0;
}

Result<int> set_mode(const Invocation& invocation, const ModeOptions& options) {
  auto backend = invocation.open();
  if (!backend) return tl::unexpected(backend.error());
  const auto mode = (*backend)->call({.method = "PUT", .path = {"v1", "mode"}},
                                     {{"mode", options.mode}, {"reason", options.reason}});
  if (!mode) return tl::unexpected(mode.error());
  if (invocation.json) {
    print_json(*mode);
  } else {
    print_mode(*mode);
  }
  return 0;
}

}  // namespace soundgate
