// Banks: list, show, create, change, delete.
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "control/api/router.h"
#include "control/api/services.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kSecondsMinMax = 86400;

Json bank_json(const Bank& bank) {
  return {{"name", bank.name},           {"action", name(bank.action)},
          {"probes", name(bank.probes)}, {"min_seconds", bank.seconds_min},
          {"paused", bank.paused},       {"references", bank.reference_count}};
}

template <class Value, class Parse>
Result<void> set_word(const Json& body, const char* key, Value& target, const Parse& parse) {
  if (!body.contains(key)) return {};
  const Json& given = body.at(key);
  const auto value = given.is_string() ? parse(given.get<std::string>()) : std::nullopt;
  if (!value) return fail(ErrorCode::kInvalid, std::string(key) + " can not be " + given.dump());
  target = *value;
  return {};
}

Result<void> set_settings(const Json& body, Bank& bank) {
  if (auto set = set_word(body, "action", bank.action, parse_action); !set) return set;
  if (auto set = set_word(body, "probes", bank.probes, parse_probes); !set) return set;
  if (body.contains("min_seconds")) {
    const Json& given = body.at("min_seconds");
    const double seconds = given.is_number() ? given.get<double>() : -1;
    if (!(seconds >= 0 && seconds <= kSecondsMinMax)) {
      return fail(ErrorCode::kInvalid, "min_seconds must be 0..86400, is " + given.dump());
    }
    bank.seconds_min = seconds;
  }
  if (body.contains("paused")) {
    if (!body.at("paused").is_boolean())
      return fail(ErrorCode::kInvalid, "paused must be true or false");
    bank.paused = body.at("paused").get<bool>();
  }
  return {};
}

Result<ApiResponse> show(const Services& services, const std::string& name, int status = 200) {
  return lift(services.index.bank(name)).map([&](const Bank& bank) {
    return json_response(bank_json(bank), status);
  });
}

Result<ApiResponse> list(const Services& services) {
  Json banks = Json::array();
  for (const Bank& bank : services.index.banks()) banks.push_back(bank_json(bank));
  return json_response({{"banks", std::move(banks)}});
}

Result<ApiResponse> create(const Services& services, const ApiCall& call) {
  const auto body = call.json({"name", "action", "probes", "min_seconds", "paused"});
  if (!body) return tl::unexpected(body.error());
  Bank bank;
  bank.name = body->contains("name") && body->at("name").is_string()
                  ? body->at("name").get<std::string>()
                  : "";
  if (!is_bank_name(bank.name)) {
    return fail(ErrorCode::kInvalid, "'" + escape_controls(bank.name) +
                                         "' is no name for a bank: 1 to 64 of a-z 0-9 . _ -");
  }
  if (auto set = set_settings(*body, bank); !set) return tl::unexpected(set.error());
  if (auto made = lift(services.index.create_bank(bank)); !made)
    return tl::unexpected(made.error());
  services.probes.follow();
  return show(services, bank.name, 201);
}

// one_at_a_time: settings are read, changed and written back, and connections have a thread each.
Result<ApiResponse> change(const Services& services, std::mutex& one_at_a_time,
                           const ApiCall& call) {
  const auto body = call.json({"action", "probes", "min_seconds", "paused"});
  if (!body) return tl::unexpected(body.error());
  // Only now: a client that sends its body slowly keeps nobody waiting.
  const std::lock_guard lock(one_at_a_time);
  auto bank = lift(services.index.bank(call.part("bank")));
  if (!bank) return tl::unexpected(bank.error());
  if (auto set = set_settings(*body, *bank); !set) return tl::unexpected(set.error());
  if (auto made = lift(services.index.set_bank(*bank)); !made) return tl::unexpected(made.error());
  services.probes.follow();
  const bool blocks = bank->action == Action::kBlock && !bank->paused;
  if (services.refused != nullptr && !blocks) services.refused->lift_bank(bank->name);
  return show(services, bank->name);
}

Result<ApiResponse> remove(const Services& services, const ApiCall& call) {
  const std::string& bank = call.part("bank");
  auto removed = lift(services.index.delete_bank(bank, call.query("force") == "true"));
  if (!removed) return tl::unexpected(removed.error());
  services.probes.follow();
  if (services.refused != nullptr) services.refused->lift_bank(bank);
  return json_response({{"deleted", bank}});
}

}  // namespace

void add_bank_routes(Router& router, const Services& services) {
  const Services* s = &services;
  const auto changes = std::make_shared<std::mutex>();
  router.add({"GET", "/v1/banks", Role::kViewer, {}, [s](const ApiCall&) { return list(*s); }});
  router.add(
      {"POST", "/v1/banks", Role::kCurator, {}, [s](const ApiCall& c) { return create(*s, c); }});
  router.add({"GET", "/v1/banks/{bank}", Role::kViewer, {}, [s](const ApiCall& c) {
                return show(*s, c.part("bank"));
              }});
  router.add({"PATCH", "/v1/banks/{bank}", Role::kCurator, {}, [s, changes](const ApiCall& c) {
                return change(*s, *changes, c);
              }});
  router.add({"DELETE", "/v1/banks/{bank}", Role::kAdmin, {"force"}, [s](const ApiCall& c) {
                return remove(*s, c);
              }});
}

}  // namespace soundgate
