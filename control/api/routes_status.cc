// What is going on: status, mode.
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/api/capture_json.h"
#include "control/api/router.h"
#include "control/api/services.h"
#include "control/decisions/verdict_json.h"
#include "control/inspection/refused_uploads.h"
#include "control/log.h"
#include "control/policy/fail_policy.h"
#include "control/port_watch.h"
#include "control/text.h"
#include "control/version.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

Json mode_json(const ModeRecord& record) {
  return {{"mode", name(record.mode)},
          {"since", iso8601(record.since)},
          {"by", record.by},
          {"reason", record.reason}};
}

Json port_json(const DataplaneCounters::Port& port) {
  return {{"received_packets", port.received_packets},
          {"received_bytes", port.received_bytes},
          {"sent_packets", port.sent_packets},
          {"sent_bytes", port.sent_bytes},
          {"dropped_packets", port.dropped_packets}};
}

Json dataplane_json(const Dataplane* dataplane) {
  if (dataplane == nullptr) return nullptr;
  const DataplaneCounters counters = dataplane->counters();
  Json reasons = Json::object();
  for (size_t i = 1; i < counters.reasons.size(); ++i) {
    reasons[std::string(reason_name(static_cast<DataplaneReason>(i)))] = counters.reasons[i];
  }
  return {{"client_port", port_json(counters.client)},
          {"origin_port", port_json(counters.origin)},
          {"flows",
           {{"open", counters.flows_open},
            {"opened", counters.flows_opened},
            {"evicted", counters.flows_evicted},
            {"midstream_open", counters.flows_midstream_open},
            {"oldest_midstream_seconds", counters.oldest_midstream_seconds}}},
          {"segments",
           {{"refused", counters.segments_refused},
            {"bad_checksums", counters.bad_checksums},
            {"conflicting_bytes", counters.conflicting_bytes}}},
          {"uploads",
           {{"begun", counters.uploads_begun},
            {"released", counters.uploads_released},
            {"blocked", counters.uploads_blocked},
            {"aborted", counters.uploads_aborted}}},
          {"resumable",
           {{"open", counters.resources_open},
            {"idle", counters.resources_idle},
            {"parts_refused", counters.parts_refused}}},
          {"put_off_segments", counters.segments_put_off},
          {"held", {{"packets", counters.packets_held}, {"bytes", counters.bytes_held}}},
          {"frames",
           {{"bad_checksums", counters.bad_checksums},
            {"cut", counters.frames_cut},
            {"refused", counters.segments_refused},
            {"advice", offload_advice(counters)}}},
          {"lcores",
           {{"packets_handed_over", counters.packets_handed_over},
            {"packets_not_handed_over", counters.packets_not_handed_over}}},
          {"reasons", std::move(reasons)}};
}

Json uploads_json(const Recorder* recorder) {
  if (recorder == nullptr) return nullptr;
  const RecorderCounters counters = recorder->counters();
  return {{"in_flight", counters.uploads_in_flight},
          {"receiving", counters.receiving},
          {"deciding", counters.deciding},
          {"held", counters.held},
          {"unrecorded", counters.unrecorded}};
}

Json decoders_json(const DecoderPool* decoders) {
  if (decoders == nullptr) return nullptr;
  const DecoderPool::Status status = decoders->status();
  Json workers = Json::array();
  for (const DecoderPool::Worker& worker : status.workers) {
    workers.push_back(
        {{"pid", worker.pid}, {"streams", worker.streams}, {"restarts", worker.restarts}});
  }
  return {{"workers", std::move(workers)},
          {"streams_begun", status.streams_begun},
          {"streams_ended", status.streams_ended},
          {"crashes", status.crashes},
          {"timeouts", status.timeouts},
          {"resumed", status.resumed},
          {"divided", status.divided},
          {"decoded_seconds", status.decoded_seconds},
          {"exact",
           {{"known", status.known},
            {"known_bytes", status.known_bytes},
            {"recognised", status.recognised},
            {"put_off", status.put_off},
            {"caught_up", status.caught_up},
            {"recognised_by_packets", status.recognised_by_packets},
            {"packets_put_off", status.packets_put_off},
            {"packets_caught_up", status.packets_caught_up},
            {"confirmed", status.confirmed},
            {"contradicted", status.contradicted}}}};
}

Json index_json(const IndexStatus& status) {
  return {{"version", status.version},
          {"banks", status.bank_count},
          {"references", status.reference_count},
          {"suppressed", status.suppressed_count},
          {"windows", status.window_count},
          {"reference_seconds", status.reference_seconds},
          {"segments", status.segment_count},
          {"unreadable", status.unreadable_count},
          {"complaints", status.complaints}};
}

Json drain_json(const Services& services) {
  if (services.drain == nullptr) return nullptr;
  const DrainRecord record = services.drain->current();
  // Those of which no part is on its way may take hours: they go on unseen, whoever waits.
  const uint64_t known =
      services.recorder != nullptr ? services.recorder->counters().uploads_in_flight : 0;
  const uint64_t idle =
      services.dataplane != nullptr ? services.dataplane->counters().resources_idle : 0;
  const uint64_t in_flight = known - std::min(known, idle);
  return {{"draining", record.draining},
          {"since", iso8601(record.since)},
          {"by", record.by},
          {"reason", record.reason},
          {"uploads_in_flight", in_flight}};
}

Json overload_json(const OverloadControl* overload) {
  if (overload == nullptr) return nullptr;
  const OverloadControl::Status status = overload->status();
  Json entered = Json::object();
  for (size_t i = 1; i < kOverloadStepCount; ++i) {
    entered[std::string(name(static_cast<OverloadStep>(i)))] = status.entered.at(i);
  }
  return {{"step", name(status.step)}, {"load", status.load}, {"entered", std::move(entered)}};
}

Json bypass_json(const Services& services) {
  if (services.bypass == nullptr) return nullptr;
  const auto latest = services.decisions.bypasses(1);
  const bool any = latest && !latest->empty();
  const Json ended = any && latest->back().ended ? Json(iso8601(*latest->back().ended)) : Json();
  return {{"watched", services.bypass->is_watched()},
          {"last_began", any ? Json(iso8601(latest->back().began)) : Json()},
          {"last_ended", ended},
          {"last_cause", any ? Json(latest->back().cause) : Json()}};
}

// Null where none runs.
Json capture_json(const Captures* captures) {
  const auto running = captures != nullptr ? captures->running() : std::nullopt;
  return running ? capture_record_json(*running) : Json(nullptr);
}

Json decisions_json(const DecisionCounts& counts) {
  return {
      {"count", counts.all}, {"pass", counts.pass}, {"flag", counts.flag}, {"block", counts.block}};
}

Result<ApiResponse> status(const Services& services) {
  const std::chrono::duration<double> uptime = std::chrono::system_clock::now() - services.started;
  Json json;
  json["version"] = kVersion;
  json["pid"] = getpid();
  json["uptime_seconds"] = uptime.count();
  json["ready"] = why_not_ready(services).empty();
  json["not_ready"] = why_not_ready(services);
  const IndexStatus index = services.index.status();
  json["degraded"] = why_degraded(index, std::chrono::steady_clock::now());
  json["mode"] = mode_json(services.mode.current());
  json["drain"] = drain_json(services);
  json["overload"] = overload_json(services.overload);
  json["bypass"] = bypass_json(services);
  json["skips"] = services.skips != nullptr ? services.skips->in_force().size() : 0;
  json["capture"] = capture_json(services.captures);
  json["dataplane"] = dataplane_json(services.dataplane);
  json["uploads"] = uploads_json(services.recorder);
  json["decoders"] = decoders_json(services.decoders);
  json["index"] = index_json(index);
  json["decisions"] = decisions_json(services.decisions.counts());
  return json_response(json);
}

Result<ApiResponse> set_mode(const Services& services, const ApiCall& call) {
  const auto body = call.json({"mode", "reason"});
  if (!body) return tl::unexpected(body.error());
  const std::string mode = body->value("mode", Json("")).is_string() ? body->value("mode", "") : "";
  if (mode != "observe" && mode != "enforce") {
    return fail(ErrorCode::kInvalid, "mode must be observe or enforce");
  }
  const Json reason = body->value("reason", Json(""));
  if (!reason.is_string() || reason.get<std::string>().empty()) {
    return fail(ErrorCode::kInvalid, "a change of mode needs a reason");
  }
  return services.mode
      .set(mode == "enforce" ? Mode::kEnforce : Mode::kObserve, call.request.caller,
           reason.get<std::string>())
      .map([](const ModeRecord& record) { return json_response(mode_json(record)); });
}

}  // namespace

void add_status_routes(Router& router, const Services& services) {
  const Services* s = &services;
  router.add({"GET", "/v1/status", Role::kViewer, {}, [s](const ApiCall&) { return status(*s); }});
  router.add({"GET", "/v1/mode", Role::kViewer, {}, [s](const ApiCall&) -> Result<ApiResponse> {
                return json_response(mode_json(s->mode.current()));
              }});
  router.add(
      {"PUT", "/v1/mode", Role::kOperator, {}, [s](const ApiCall& c) { return set_mode(*s, c); }});
}

}  // namespace soundgate
