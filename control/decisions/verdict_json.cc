#include "control/decisions/verdict_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "control/limits.h"
#include "control/policy/fail_policy.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

Json time_json(const std::optional<WallTime>& time) {
  return time ? Json(epoch_seconds(*time)) : Json(nullptr);
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

// Milliseconds are as fine as items allow; more digits would only be noise.
double rounded(double value) { return std::round(value * 1e3) / 1e3; }

double percentage(double part, double whole) {
  return whole > 0 ? rounded(std::min(100.0, 100 * part / whole)) : 0;
}

Json asset_json(const Match& match) {
  Json asset = {{"id", match.content_id}, {"title", match.title}};
  const Json metadata = parse_untrusted(match.metadata_json);
  if (!metadata.is_object()) return asset;
  for (const auto& [key, value] : metadata.items()) {
    if (!asset.contains(key)) asset[key] = value;  // id and title are the reference's own
  }
  return asset;
}

Json segment_json(const MatchSegment& segment) {
  return {{"query_start", rounded(segment.query_start)},
          {"query_end", rounded(segment.query_end)},
          {"asset_start", rounded(segment.asset_start)},
          {"asset_end", rounded(segment.asset_end)},
          {"audio_speed", rounded(segment.audio_speed)},
          {"score", rounded(segment.score)},
          {"confidence", segment.confidence}};
}

Json match_json(const JudgedMatch& judged, double query_seconds, const Decision& decision) {
  const Match& match = judged.match;
  Json segments = Json::array();
  for (const MatchSegment& segment : match.segments) segments.push_back(segment_json(segment));
  return {{"asset", asset_json(match)},
          {"bank", match.bank.name},
          {"bank_content_id", match.content_id},
          {"score", rounded(match.score)},
          {"threshold", rounded(match.threshold)},
          {"query_match_duration_seconds", rounded(match.query_match_seconds)},
          {"query_match_percentage", percentage(match.query_match_seconds, query_seconds)},
          {"asset_match_duration_seconds", rounded(match.asset_match_seconds)},
          {"asset_match_percentage",
           percentage(match.asset_match_seconds, match.asset_duration_seconds)},
          {"segments", std::move(segments)},
          {"policy_id", "bank:" + match.bank.name},
          {"policy_version", decision.policy_version},
          {"min_seconds", match.bank.seconds_min},
          {"action", name(judged.action)},
          {"shadow", false}};
}

// How long a stopped upload would have been nobody knows: its share is 0, as its duration is.
Json stopped_coverage_json(const EarlyVerdict& early) {
  return {{"mode", "full"},
          {"decoded_seconds", rounded(early.heard_seconds)},
          {"gap_seconds", 0},
          {"skipped_seconds", 0},
          {"share", 0}};
}

Json coverage_json(const std::optional<DecodeEnd>& end) {
  if (!end)
    return {{"mode", "none"},
            {"decoded_seconds", 0},
            {"gap_seconds", 0},
            {"skipped_seconds", 0},
            {"share", 0}};
  const double whole = std::max(end->duration_seconds,
                                end->decoded_seconds + end->gap_seconds + end->skipped_seconds);
  const double share = whole > 0 ? std::min(1.0, end->decoded_seconds / whole) : 0;
  const char* mode = end->skipped_seconds > 0 ? "sparse" : "full";
  return {{"mode", end->decoded_seconds > 0 ? mode : "none"},
          {"decoded_seconds", rounded(end->decoded_seconds)},
          {"gap_seconds", rounded(end->gap_seconds)},
          {"skipped_seconds", rounded(end->skipped_seconds)},
          {"share", rounded(share)}};
}

// A worker is not trusted: its texts may lack their end.
template <size_t count>
std::string bounded(const char (&text)[count]) {
  return {text, static_cast<size_t>(std::find(text, text + count, '\0') - text)};
}

Json exact_by(const DecodeEnd& end) {
  if (!end.exact) return nullptr;
  return end.exact_packets ? "packets" : "bytes";
}

Json decode_json(const std::optional<DecodeEnd>& end) {
  if (!end) return nullptr;
  return {{"outcome", outcome_name(end->outcome)},
          {"format", text_or_null(bounded(end->format))},
          {"codec", text_or_null(bounded(end->codec))},
          {"exact", end->exact},
          {"exact_by", exact_by(*end)}};
}

Json early_json(const std::optional<EarlyVerdict>& early) {
  if (!early) return nullptr;
  return {{"stopped", early->stopped},
          {"time", epoch_seconds(early->at)},
          {"heard_seconds", rounded(early->heard_seconds)},
          {"bytes", early->bytes}};
}

Json gate_json(const Decision& decision) {
  if (!decision.gate) return nullptr;
  return {{"outcome", name(decision.gate->outcome)},
          {"reason", text_or_null(std::string(reason_name(decision.gate->reason)))},
          {"released_by", text_or_null(decision.released_by)}};
}

Json request_json(const RequestSummary& request) {
  return {{"request_id", text_or_null(request.request_id)},
          {"method", text_or_null(request.method)},
          {"host", text_or_null(request.host)},
          {"path", text_or_null(request.path)},
          {"client", text_or_null(request.client)},
          {"uploader", text_or_null(request.uploader)},
          {"part", request.part > 0 ? Json(request.part) : Json(nullptr)},
          {"file_name", text_or_null(request.file_name)},
          {"resource", text_or_null(request.resource)},
          {"parts", request.parts},
          {"connections", request.connections}};
}

}  // namespace

std::string_view name(GateOutcome outcome) {
  constexpr std::array<std::string_view, 5> kNames = {"released", "blocked", "released_unasked",
                                                      "blocked_unasked", "aborted"};
  return kNames.at(static_cast<size_t>(outcome));
}

std::string_view name(Mode mode) { return mode == Mode::kEnforce ? "enforce" : "observe"; }

Json verdict_json(const Decision& decision) {
  const double query_seconds = decision.decode ? decision.decode->duration_seconds : 0;
  Json matches = Json::array();
  for (const JudgedMatch& judged : decision.verdict.matches) {
    matches.push_back(match_json(judged, query_seconds, decision));
  }
  Json json;
  json["upload_id"] = text_or_null(decision.upload_id);
  json["time"] = iso8601(decision.time);
  json["mode"] = decision.mode;
  json["enforced"] = decision.enforced;
  json["request"] = request_json(decision.request);
  json["verdict"] = name(decision.verdict.verdict);
  json["action"] = name(decision.verdict.action);
  json["reason"] = decision.verdict.reason;
  json["checked"] = name(decision.verdict.checked);
  json["query_file_duration_seconds"] = rounded(query_seconds);
  const bool stopped = !decision.decode && decision.early;
  json["coverage"] =
      stopped ? stopped_coverage_json(*decision.early) : coverage_json(decision.decode);
  json["matches"] = std::move(matches);
  json["index_version"] = decision.index_version;
  json["policy_version"] = decision.policy_version;
  json["early"] = early_json(decision.early);
  json["decode"] = decode_json(decision.decode);
  json["gate"] = gate_json(decision);
  json["bytes"] = decision.bytes;
  json["timings"] = {{"first_byte", time_json(decision.first_byte)},
                     {"last_byte", time_json(decision.last_byte)},
                     {"verdict", time_json(decision.decided)},
                     {"released", time_json(decision.released)}};
  return json;
}

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json parse_untrusted(std::string_view text) {
  bool too_deep = false;
  const auto keep = [&](int depth, Json::parse_event_t event, const Json&) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    too_deep = too_deep || (opens && depth >= kJsonDepthMax);
    return !too_deep;
  };
  Json value = Json::parse(text, keep, false);
  return too_deep ? Json(Json::value_t::discarded) : value;
}

}  // namespace soundgate
