// Uploads in flight: what each waits for, and letting one go by hand.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/api/router.h"
#include "control/api/services.h"
#include "control/log.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

Json upload_json(const UploadInFlight& upload) {
  return {{"upload_id", upload.upload_id},
          {"state", upload.state},
          {"bytes", upload.bytes},
          {"body_bytes", upload.body_bytes < 0 ? Json(nullptr) : Json(upload.body_bytes)},
          {"client", upload.client},
          {"method", upload.method},
          {"host", upload.host},
          {"path", upload.path},
          {"request_id", upload.request_id},
          {"mode", upload.mode},
          {"first_byte", epoch_seconds(upload.first_byte)},
          {"held_seconds", upload.held_seconds},
          {"waiting_for", upload.waiting_for}};
}

Result<ApiResponse> uploads(const Services& services) {
  Json list = Json::array();
  if (services.recorder != nullptr) {
    for (const UploadInFlight& upload : services.recorder->in_flight())
      list.push_back(upload_json(upload));
  }
  return json_response({{"uploads", std::move(list)}});
}

Result<ApiResponse> show_upload(const Services& services, const ApiCall& call) {
  const std::string& id = call.part("id");
  const auto all =
      services.recorder != nullptr ? services.recorder->in_flight() : std::vector<UploadInFlight>();
  const auto found = std::ranges::find(all, id, &UploadInFlight::upload_id);
  if (found != all.end()) return json_response(upload_json(*found));
  return fail(ErrorCode::kNotFound, "no upload " + escape_controls(id) + " is in flight");
}

// One in flight goes; of one in parts that was blocked, later parts are let through again.
Result<ApiResponse> release_upload(const Services& services, const ApiCall& call) {
  if (services.recorder == nullptr) {
    return fail(ErrorCode::kUnavailable, "there are no packets here, and no uploads in flight");
  }
  const std::string& id = call.part("id");
  const std::string& caller = call.request.caller;
  const auto released = services.recorder->release(id, caller);
  if (released) return json_response(upload_json(*released));
  const bool in_flight = released.error().code != ErrorCode::kNotFound;
  if (in_flight || services.refused == nullptr || !services.refused->release(id)) {
    return tl::unexpected(released.error());
  }
  log(LogLevel::kInfo, "refusal_lifted", {{"upload_id", id}, {"by", caller}});
  return json_response({{"upload_id", id}, {"state", "parts_pass"}});
}

}  // namespace

void add_upload_routes(Router& router, const Services& services) {
  const Services* s = &services;
  router.add(
      {"GET", "/v1/uploads", Role::kViewer, {}, [s](const ApiCall&) { return uploads(*s); }});
  router.add({"GET", "/v1/uploads/{id}", Role::kViewer, {}, [s](const ApiCall& c) {
                return show_upload(*s, c);
              }});
  router.add({"POST", "/v1/uploads/{id}/release", Role::kOperator, {}, [s](const ApiCall& c) {
                return release_upload(*s, c);
              }});
}

}  // namespace soundgate
