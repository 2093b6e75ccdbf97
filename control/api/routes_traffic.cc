// What passes uninspected because an operator says so: drains and skips.
#include <nlohmann/json.hpp>

#include "control/api/router.h"
#include "control/api/services.h"
#include "control/limits.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kReasonBytesMax = 1000;

Json drain_json(const DrainRecord& record) {
  return {{"draining", record.draining},
          {"since", iso8601(record.since)},
          {"by", record.by},
          {"reason", record.reason}};
}

Json skip_json(const SkipRecord& skip) {
  return {{"what", skip.what},
          {"until", iso8601(skip.until)},
          {"by", skip.by},
          {"reason", skip.reason}};
}

Json bypass_json(const BypassRecord& bypass) {
  return {{"began", iso8601(bypass.began)},
          {"ended", bypass.ended ? Json(iso8601(*bypass.ended)) : Json(nullptr)},
          {"seconds",
           bypass.ended ? Json(std::chrono::duration<double>(*bypass.ended - bypass.began).count())
                        : Json(nullptr)},
          {"cause", bypass.cause}};
}

Result<ApiResponse> list_bypasses(const Services& services) {
  const auto bypasses = services.decisions.bypasses(kBypassesListMax);
  if (!bypasses) return tl::unexpected(bypasses.error());
  Json list = Json::array();
  for (const BypassRecord& bypass : *bypasses) list.push_back(bypass_json(bypass));
  return json_response({{"bypasses", std::move(list)}});
}

// "" where there is none.
Result<std::string> text_field(const Json& body, const char* key) {
  const auto found = body.find(key);
  if (found == body.end()) return std::string();
  const bool is_text =
      found->is_string() && found->get_ref<const std::string&>().size() <= kReasonBytesMax;
  if (!is_text) {
    return fail(ErrorCode::kInvalid, std::string(key) + " must be a text of at most 1000 bytes");
  }
  return found->get<std::string>();
}

Result<ApiResponse> set_drain(const Services& services, const ApiCall& call) {
  if (services.drain == nullptr) {
    return fail(ErrorCode::kUnavailable, "there are no packets here to drain");
  }
  const auto body = call.json({"draining", "reason"});
  if (!body) return tl::unexpected(body.error());
  const auto draining = body->find("draining");
  if (draining == body->end() || !draining->is_boolean()) {
    return fail(ErrorCode::kInvalid, "draining must be true or false");
  }
  const auto reason = text_field(*body, "reason");
  if (!reason) return tl::unexpected(reason.error());
  return json_response(
      drain_json(services.drain->set(draining->get<bool>(), call.request.caller, *reason)));
}

Result<ApiResponse> get_drain(const Services& services) {
  if (services.drain == nullptr) {
    return fail(ErrorCode::kUnavailable, "there are no packets here to drain");
  }
  return json_response(drain_json(services.drain->current()));
}

Result<ApiResponse> list_skips(const Services& services) {
  Json list = Json::array();
  if (services.skips != nullptr) {
    for (const SkipRecord& skip : services.skips->in_force()) list.push_back(skip_json(skip));
  }
  return json_response({{"skips", std::move(list)}});
}

Result<ApiResponse> add_skip(const Services& services, const ApiCall& call) {
  if (services.skips == nullptr)
    return fail(ErrorCode::kUnavailable, "nothing can be skipped here");
  const auto body = call.json({"what", "until", "reason"});
  if (!body) return tl::unexpected(body.error());
  SkipRecord skip;
  for (const auto& [key, target] :
       {std::pair("what", &skip.what), std::pair("reason", &skip.reason)}) {
    const auto text = text_field(*body, key);
    if (!text) return tl::unexpected(text.error());
    *target = *text;
  }
  const auto until = text_field(*body, "until");
  if (!until) return tl::unexpected(until.error());
  const auto time = parse_time(*until, std::chrono::system_clock::now(), 1);
  if (!time) return fail(ErrorCode::kInvalid, "until: " + time.error());
  skip.until = *time;
  skip.by = call.request.caller;
  return services.skips->add(std::move(skip)).map([](const SkipRecord& added) {
    return json_response(skip_json(added));
  });
}

Result<ApiResponse> remove_skip(const Services& services, const ApiCall& call) {
  if (services.skips == nullptr)
    return fail(ErrorCode::kUnavailable, "nothing can be skipped here");
  return services.skips->remove(call.part("what"), call.request.caller).map([&] {
    return json_response({{"what", call.part("what")}});
  });
}

}  // namespace

void add_traffic_routes(Router& router, const Services& services) {
  const Services* s = &services;
  router.add({"GET", "/v1/bypasses", Role::kViewer, {}, [s](const ApiCall&) {
                return list_bypasses(*s);
              }});
  router.add(
      {"GET", "/v1/drain", Role::kViewer, {}, [s](const ApiCall&) { return get_drain(*s); }});
  router.add({"PUT", "/v1/drain", Role::kOperator, {}, [s](const ApiCall& c) {
                return set_drain(*s, c);
              }});
  router.add(
      {"GET", "/v1/skips", Role::kViewer, {}, [s](const ApiCall&) { return list_skips(*s); }});
  router.add({"POST", "/v1/skips", Role::kOperator, {}, [s](const ApiCall& c) {
                return add_skip(*s, c);
              }});
  router.add({"DELETE", "/v1/skips/{what}", Role::kOperator, {}, [s](const ApiCall& c) {
                return remove_skip(*s, c);
              }});
}

}  // namespace soundgate
