// Captures of what passes: the stream of one, those that were made, and ending one.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/api/capture_json.h"
#include "control/api/router.h"
#include "control/api/services.h"
#include "control/limits.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kTextBytesMax = 1000;

Result<void> take_text(const Json& body, const char* key, std::string& target) {
  const auto found = body.find(key);
  if (found == body.end()) return {};
  if (!found->is_string() || found->get_ref<const std::string&>().size() > kTextBytesMax) {
    return fail(ErrorCode::kInvalid, std::string(key) + " must be a text of at most 1000 bytes");
  }
  target = found->get<std::string>();
  return {};
}

template <class Number>
Result<void> take_number(const Json& body, const char* key, Number& target) {
  const auto found = body.find(key);
  if (found == body.end()) return {};
  if (!found->is_number_integer() || *found < 0) {
    return fail(ErrorCode::kInvalid, std::string(key) + " must be a whole number");
  }
  target = found->get<Number>();
  return {};
}

// Whose connection an upload in flight is on: from here on it is captured, whatever follows on it.
Result<std::string> client_of(const Services& services, const std::string& upload_id) {
  const auto all =
      services.recorder != nullptr ? services.recorder->in_flight() : std::vector<UploadInFlight>();
  const auto found = std::ranges::find(all, upload_id, &UploadInFlight::upload_id);
  if (found != all.end()) return found->client;
  return fail(ErrorCode::kNotFound, "no upload " + escape_controls(upload_id) +
                                        " is in flight: capture its client, for the next one");
}

Result<CaptureRequest> request_of(const Services& services, const ApiCall& call) {
  const auto body = call.json({"capture_id", "client", "upload_id", "until", "bytes_max",
                               "frame_bytes_max", "written", "reason"});
  if (!body) return tl::unexpected(body.error());
  CaptureRequest request;
  std::string until;
  for (const auto& [key, target] :
       {std::pair("capture_id", &request.capture_id), std::pair("client", &request.client),
        std::pair("upload_id", &request.upload_id), std::pair("until", &until),
        std::pair("reason", &request.reason)}) {
    if (auto taken = take_text(*body, key, *target); !taken) return tl::unexpected(taken.error());
  }
  auto taken = take_number(*body, "bytes_max", request.bytes_max).and_then([&] {
    return take_number(*body, "frame_bytes_max", request.frame_bytes_max);
  });
  if (!taken) return tl::unexpected(taken.error());
  const Json written = body->value("written", Json(false));
  if (!written.is_boolean()) return fail(ErrorCode::kInvalid, "written must be true or false");
  request.written = written.get<bool>();
  const auto time = parse_time(until, std::chrono::system_clock::now(), 1);
  if (!time) return fail(ErrorCode::kInvalid, "until: " + time.error());
  request.until = *time;
  request.by = call.request.caller;
  if (request.client.empty() == request.upload_id.empty()) {
    return fail(ErrorCode::kInvalid, "either a client or an upload_id is captured");
  }
  if (request.upload_id.empty()) return request;
  const auto client = client_of(services, request.upload_id);
  if (!client) return tl::unexpected(client.error());
  request.client = *client;
  return request;
}

Result<ApiResponse> begin_capture(const Services& services, const ApiCall& call) {
  if (services.captures == nullptr) {
    return fail(ErrorCode::kUnavailable, "there are no packets here to capture");
  }
  const auto request = request_of(services, call);
  if (!request) return tl::unexpected(request.error());
  return services.captures->begin(*request).map([](std::shared_ptr<ByteSource> stream) {
    return ApiResponse{200, "", "application/octet-stream", std::move(stream)};
  });
}

// The one that runs is further than its row says.
Result<std::vector<CaptureRecord>> all_captures(const Services& services) {
  auto captures = services.decisions.captures(kCapturesListMax);
  if (!captures || services.captures == nullptr) return captures;
  if (const auto running = services.captures->running()) {
    const auto row = std::ranges::find(*captures, running->capture_id, &CaptureRecord::capture_id);
    if (row != captures->end()) *row = *running;
  }
  return captures;
}

Result<ApiResponse> list_captures(const Services& services) {
  const auto captures = all_captures(services);
  if (!captures) return tl::unexpected(captures.error());
  Json list = Json::array();
  for (const CaptureRecord& capture : *captures) list.push_back(capture_record_json(capture));
  return json_response({{"captures", std::move(list)}});
}

Result<ApiResponse> show_capture(const Services& services, const ApiCall& call) {
  const auto captures = all_captures(services);
  if (!captures) return tl::unexpected(captures.error());
  const auto found = std::ranges::find(*captures, call.part("id"), &CaptureRecord::capture_id);
  if (found != captures->end()) return json_response(capture_record_json(*found));
  return fail(ErrorCode::kNotFound, "there is no capture " + escape_controls(call.part("id")));
}

Result<ApiResponse> stop_capture(const Services& services, const ApiCall& call) {
  if (services.captures == nullptr) {
    return fail(ErrorCode::kUnavailable, "there are no packets here to capture");
  }
  return services.captures->stop(call.part("id"), call.request.caller)
      .map([](const CaptureRecord& record) { return json_response(capture_record_json(record)); });
}

}  // namespace

Json capture_record_json(const CaptureRecord& record) {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
  };
  return {{"capture_id", record.capture_id},
          {"client", record.client},
          {"upload_id", text_or_null(record.upload_id)},
          {"written", record.written},
          {"began", iso8601(record.began)},
          {"until", iso8601(record.until)},
          {"by", record.by},
          {"reason", record.reason},
          {"ended", record.ended ? Json(iso8601(*record.ended)) : Json(nullptr)},
          {"ended_by", text_or_null(record.ended_by)},
          {"stopped_by", text_or_null(record.stopped_by)},
          {"frames", record.frames},
          {"lost_frames", record.lost_frames},
          {"bytes", record.bytes}};
}

void add_capture_routes(Router& router, const Services& services) {
  const Services* s = &services;
  router.add({"GET", "/v1/captures", Role::kViewer, {}, [s](const ApiCall&) {
                return list_captures(*s);
              }});
  router.add({"GET", "/v1/captures/{id}", Role::kViewer, {}, [s](const ApiCall& c) {
                return show_capture(*s, c);
              }});
  router.add({"POST", "/v1/captures", Role::kAdmin, {}, [s](const ApiCall& c) {
                return begin_capture(*s, c);
              }});
  router.add({"DELETE", "/v1/captures/{id}", Role::kOperator, {}, [s](const ApiCall& c) {
                return stop_capture(*s, c);
              }});
}

}  // namespace soundgate
