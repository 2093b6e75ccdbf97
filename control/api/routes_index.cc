// The index as who looks after it sees it: its versions and segments; rollback, verify, merge,
// backup.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "control/api/router.h"
#include "control/api/services.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

Json time_json(const std::optional<WallTime>& time) {
  return time ? Json(iso8601(*time)) : Json(nullptr);
}

Json segment_json(const SegmentStatus& segment) {
  return {{"file", segment.file.empty() ? Json(nullptr) : Json(segment.file)},
          {"windows", segment.windows},
          {"dead_windows", segment.dead_windows},
          {"lists", segment.lists},
          {"bytes", segment.bytes},
          {"damaged", segment.damaged}};
}

Json upkeep_json(const IndexStatus& status, const IndexUpkeep& upkeep) {
  Json segments = Json::array();
  int64_t dead_windows = 0, one_band = 0;
  for (const SegmentStatus& segment : upkeep.segments) {
    segments.push_back(segment_json(segment));
    dead_windows += segment.dead_windows;
    one_band += segment.one_band_references;
  }
  return {{"version", status.version},
          {"oldest_version", upkeep.oldest_version},
          {"oldest_version_made", time_json(upkeep.oldest_version_made)},
          {"banks", status.bank_count},
          {"references", status.reference_count},
          {"one_band_references", one_band},
          {"suppressed", status.suppressed_count},
          {"kept_references", upkeep.kept_count},
          {"reference_seconds", status.reference_seconds},
          {"windows", status.window_count},
          {"dead_windows", dead_windows},
          {"segments", std::move(segments)},
          {"catalogue_bytes", upkeep.catalogue_bytes},
          {"merged", time_json(upkeep.merged)},
          {"verified", time_json(upkeep.verified)},
          {"verified_damage_count", upkeep.verified_damage_count},
          {"unreadable", status.unreadable_count},
          {"complaint_count", status.complaint_count},
          {"complaints", status.complaints}};
}

Result<ApiResponse> show(const Services& services) {
  return lift(services.index.upkeep()).map([&](const IndexUpkeep& upkeep) {
    return json_response(upkeep_json(services.index.status(), upkeep));
  });
}

Json items_json(const std::vector<RollbackItem>& items) {
  Json list = Json::array();
  for (const RollbackItem& item : items) {
    list.push_back({{"bank", item.bank}, {"content_id", item.content_id}, {"title", item.title}});
  }
  return list;
}

Json banks_json(const std::vector<Bank>& banks) {
  Json list = Json::array();
  for (const Bank& bank : banks) {
    list.push_back({{"name", bank.name},
                    {"action", name(bank.action)},
                    {"probes", name(bank.probes)},
                    {"min_seconds", bank.seconds_min},
                    {"paused", bank.paused}});
  }
  return list;
}

Json rollback_json(const RollbackReport& report, bool dry_run) {
  return {{"to", report.to},
          {"version", report.version},
          {"dry_run", dry_run},
          {"goes_count", report.goes_count},
          {"returns_count", report.returns_count},
          {"banks_gone", banks_json(report.banks_gone)},
          {"banks_returned", banks_json(report.banks_returned)},
          {"banks_changed", banks_json(report.banks_changed)},
          {"goes", items_json(report.goes)},
          {"returns", items_json(report.returns)}};
}

// A number is a version, a text a time: a version as text could be taken for seconds since 1970.
Result<VersionOrTime> version_or_time(const Json& to) {
  if (to.is_number_integer() && to >= 0) return VersionOrTime(to.get<int64_t>());
  if (!to.is_string()) {
    return fail(ErrorCode::kInvalid, "to must be a version's number, or a time as text");
  }
  const auto time = parse_time(to.get<std::string>(), std::chrono::system_clock::now(), -1);
  if (!time) return fail(ErrorCode::kInvalid, "to: " + time.error());
  return VersionOrTime(*time);
}

Result<ApiResponse> roll_back(const Services& services, const ApiCall& call) {
  const auto body = call.json({"to", "dry_run"});
  if (!body) return tl::unexpected(body.error());
  const auto to = version_or_time(body->value("to", Json()));
  if (!to) return tl::unexpected(to.error());
  const Json dry_run = body->value("dry_run", Json(false));
  if (!dry_run.is_boolean()) return fail(ErrorCode::kInvalid, "dry_run must be true or false");
  const auto report = lift(services.index.rollback(*to, dry_run.get<bool>()));
  if (!report) return tl::unexpected(report.error());
  services.probes.follow();  // banks may have changed
  return json_response(rollback_json(*report, dry_run.get<bool>()));
}

Result<ApiResponse> verify(const Services& services) {
  const auto report = lift(services.index.verify());
  if (!report) return tl::unexpected(report.error());
  Json damage = Json::array();
  for (const Damage& found : report->damage) {
    damage.push_back({{"where", found.where}, {"what", found.what}});
  }
  return json_response({{"segments", report->segment_count},
                        {"segment_bytes", report->segment_bytes},
                        {"references", report->reference_count},
                        {"damage_count", report->damage_count},
                        {"rebuilt_segments", report->rebuilt_count},
                        {"damage", std::move(damage)}});
}

class CopySource : public ByteSource {
 public:
  explicit CopySource(std::shared_ptr<std::FILE> file) : file_(std::move(file)) {
    std::fseek(file_.get(), 0, SEEK_END);
    bytes_ = std::ftell(file_.get());
    std::rewind(file_.get());
  }
  Result<size_t> read(std::span<std::byte> buffer) override {
    const size_t bytes = std::fread(buffer.data(), 1, buffer.size(), file_.get());
    if (std::ferror(file_.get()) == 0) return bytes;
    return fail(ErrorCode::kInternal, "the copy cannot be read");
  }
  int64_t size_bytes() const override { return bytes_; }

 private:
  std::shared_ptr<std::FILE> file_;
  int64_t bytes_ = 0;
};

Result<ApiResponse> back_up(const Services& services) {
  return lift(services.index.backup()).map([](std::shared_ptr<std::FILE> file) {
    return ApiResponse{200, "", "application/octet-stream",
                       std::make_shared<CopySource>(std::move(file))};
  });
}

}  // namespace

void add_index_routes(Router& router, const Services& services) {
  const Services* s = &services;
  router.add({"GET", "/v1/index", Role::kViewer, {}, [s](const ApiCall&) { return show(*s); }});
  router.add({"POST", "/v1/index/rollback", Role::kAdmin, {}, [s](const ApiCall& c) {
                return roll_back(*s, c);
              }});
  router.add({"POST", "/v1/index/verify", Role::kOperator, {}, [s](const ApiCall&) {
                return verify(*s);
              }});
  router.add(
      {"POST", "/v1/index/merge", Role::kOperator, {}, [s](const ApiCall&) -> Result<ApiResponse> {
         if (auto merged = lift(s->index.merge()); !merged) return tl::unexpected(merged.error());
         return show(*s);
       }});
  router.add(
      {"GET", "/v1/backup", Role::kOperator, {}, [s](const ApiCall&) { return back_up(*s); }});
}

}  // namespace soundgate
