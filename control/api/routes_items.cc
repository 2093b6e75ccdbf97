// Items: the references of a bank. List, show, enrol, remove, suppress, restore.
#include <nlohmann/json.hpp>

#include "control/api/reference_json.h"
#include "control/api/router.h"
#include "control/api/services.h"
#include "control/decisions/verdict_json.h"
#include "control/policy/fail_policy.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

Json item_json(const Reference& item) {
  return {{"bank", item.bank},
          {"content_id", item.content_id},
          {"title", item.title},
          {"duration_seconds", item.duration_seconds},
          {"indexed_seconds", item.indexed_seconds},
          {"enrolled", iso8601(item.enrolled)},
          {"metadata", parse_untrusted(item.metadata_json)},
          {"suppression", suppression_json(item.suppression)}};
}

Result<ApiResponse> show(const Services& services, const ApiCall& call) {
  return lift(services.index.reference(call.part("bank"), call.part("id")))
      .map([](const Reference& item) { return json_response(item_json(item)); });
}

Result<ApiResponse> list(const Services& services, const ApiCall& call) {
  const auto items = lift(services.index.references(call.part("bank")));
  if (!items) return tl::unexpected(items.error());
  Json list = Json::array();
  for (const Reference& item : *items) list.push_back(item_json(item));
  return json_response({{"items", std::move(list)}});
}

// The fingerprint of what is to be enrolled, with what the caller may leave out.
struct Material {
  Fingerprint fingerprint;
  std::string content_id;
  std::string title;
  std::string warning;  // "" or the outcome of decoding
};

Result<Material> from_upload(const Services& services, const std::string& upload_id) {
  auto decision = settled_decisions(services).json(upload_id);
  if (!decision) return tl::unexpected(decision.error());
  auto fingerprint = services.decisions.fingerprint(upload_id);
  if (!fingerprint) return tl::unexpected(fingerprint.error());
  const Json json = Json::parse(*decision, nullptr, false);
  const Json path = json["request"]["path"];
  std::string title = path.is_string() ? path.get<std::string>() : upload_id;
  title.erase(0, title.rfind('/') + 1);
  title = utf8_or_escaped(title);
  return Material{std::move(*fingerprint), upload_id, title.empty() ? upload_id : title, ""};
}

Result<Material> from_body(const Services& services, const ApiCall& call) {
  if (call.request.body == nullptr)
    return fail(ErrorCode::kInvalid, "there is no file in the request");
  auto file = services.files.decode(*call.request.body, {.sha256 = true});
  if (!file) return tl::unexpected(file.error());
  const DecodeOutcome outcome = file->end.outcome;
  if (checked_of(outcome) == Checked::kNone || file->found.fingerprint.items.empty()) {
    const bool decoded = outcome == DecodeOutcome::decoded;
    const std::string reason(outcome_name(decoded ? DecodeOutcome::too_short : outcome));
    return tl::unexpected(Error{ErrorCode::kUnusable, std::string(reason_text(reason)), reason});
  }
  const std::string warning(outcome == DecodeOutcome::decoded ? "" : outcome_name(outcome));
  return Material{std::move(file->found.fingerprint), file->sha256, file->sha256, warning};
}

Result<std::string> metadata_of(const ApiCall& call) {
  const std::string text = call.query("metadata");
  if (text.empty()) return "{}";
  if (!parse_untrusted(text).is_object()) {
    return fail(ErrorCode::kInvalid, "metadata must be a JSON object, nested at most 64 deep");
  }
  return text;
}

Result<ApiResponse> enroll(const Services& services, const ApiCall& call) {
  const auto bank = lift(services.index.bank(call.part("bank")));
  if (!bank) return tl::unexpected(bank.error());
  auto metadata = metadata_of(call);
  if (!metadata) return tl::unexpected(metadata.error());
  const std::string upload_id = call.query("upload");
  auto material = upload_id.empty() ? from_body(services, call) : from_upload(services, upload_id);
  if (!material) return tl::unexpected(material.error());

  EnrollRequest request;
  request.bank = bank->name;
  request.content_id =
      call.query("content_id").empty() ? material->content_id : call.query("content_id");
  request.title = call.query("title").empty() ? material->title : call.query("title");
  request.metadata_json = *metadata;
  request.fingerprint = std::move(material->fingerprint);
  auto enrolled = lift(services.index.enroll(request));
  if (!enrolled) return tl::unexpected(enrolled.error());
  if (!material->warning.empty()) enrolled->warnings.push_back(material->warning);
  return json_response(enrolled_json(request, *enrolled), enrolled->replaced ? 200 : 201);
}

// Later parts of uploads that it alone had blocked are let through again.
void lift_refusals(const Services& services, const ApiCall& call) {
  if (services.refused == nullptr) return;
  services.refused->lift_reference(call.part("bank"), call.part("id"));
}

Result<ApiResponse> remove(const Services& services, const ApiCall& call) {
  auto removed = lift(services.index.remove(call.part("bank"), call.part("id")));
  if (!removed) return tl::unexpected(removed.error());
  lift_refusals(services, call);
  return json_response({{"bank", call.part("bank")}, {"removed", call.part("id")}});
}

Result<Suppression> suppression_of(const ApiCall& call) {
  const auto body = call.json({"reason", "until"});
  if (!body) return tl::unexpected(body.error());
  Suppression suppression;
  if (body->contains("reason") && body->at("reason").is_string()) {
    suppression.reason = body->at("reason").get<std::string>();
  }
  if (suppression.reason.empty()) return fail(ErrorCode::kInvalid, "a suppression needs a reason");
  if (!body->contains("until") || body->at("until").is_null()) return suppression;
  const Json& until = body->at("until");
  const auto now = std::chrono::system_clock::now();
  const auto time = parse_time(until.is_string() ? until.get<std::string>() : until.dump(), now, 1);
  if (!time) return fail(ErrorCode::kInvalid, "until: " + time.error());
  if (*time <= now)
    return fail(ErrorCode::kInvalid, "until: " + iso8601(*time) + " is over already");
  suppression.until = *time;
  return suppression;
}

Result<ApiResponse> suppress(const Services& services, const ApiCall& call) {
  const auto suppression = suppression_of(call);
  if (!suppression) return tl::unexpected(suppression.error());
  auto done = lift(services.index.suppress(call.part("bank"), call.part("id"), *suppression));
  if (!done) return tl::unexpected(done.error());
  lift_refusals(services, call);
  return show(services, call);
}

Result<ApiResponse> restore(const Services& services, const ApiCall& call) {
  auto done = lift(services.index.restore(call.part("bank"), call.part("id")));
  if (!done) return tl::unexpected(done.error());
  auto shown = show(services, call);
  if (shown || shown.error().code != ErrorCode::kNotFound) return shown;
  // A suppression outlives its reference, so that enrolling it again does not bring it back.
  return json_response(
      {{"bank", call.part("bank")}, {"content_id", call.part("id")}, {"suppression", nullptr}});
}

}  // namespace

void add_item_routes(Router& router, const Services& services) {
  const Services* s = &services;
  const std::string items = "/v1/banks/{bank}/items";
  const std::string item = items + "/{id}";
  router.add({"GET", items, Role::kViewer, {}, [s](const ApiCall& c) { return list(*s, c); }});
  router.add({"POST",
              items,
              Role::kCurator,
              {"title", "content_id", "metadata", "upload"},
              [s](const ApiCall& c) { return enroll(*s, c); }});
  router.add({"GET", item, Role::kViewer, {}, [s](const ApiCall& c) { return show(*s, c); }});
  router.add({"DELETE", item, Role::kCurator, {}, [s](const ApiCall& c) { return remove(*s, c); }});
  router.add({"PUT", item + "/suppression", Role::kCurator, {}, [s](const ApiCall& c) {
                return suppress(*s, c);
              }});
  router.add({"DELETE", item + "/suppression", Role::kCurator, {}, [s](const ApiCall& c) {
                return restore(*s, c);
              }});
}

}  // namespace soundgate
