// What the control socket answers, apart from how it travels: the daemon serves it over HTTP, the
// command line calls it directly on a store. So every command has one implementation.
// Errors: {"error": {"code", "message"}} with the status of the code.
// Thread: any; handlers are called from several at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/byte_source.h"
#include "control/error.h"

namespace soundgate {

enum class Role : uint8_t { kNobody, kViewer, kCurator, kOperator, kAdmin };

struct ApiRequest {
  std::string method;
  std::string path;                          // still percent-encoded, without the query
  std::map<std::string, std::string> query;  // decoded
  ByteSource* body = nullptr;                // null: none
  Role role = Role::kNobody;
  std::string caller;  // "root", "uid 1000": for the audit
};

struct ApiResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::shared_ptr<ByteSource> stream{};  // instead of the body, where there is much of it
};

// A request with the parts of its path that a route's {names} stand for.
struct ApiCall {
  const ApiRequest& request;
  std::map<std::string, std::string> parts;

  const std::string& part(const std::string& name) const { return parts.at(name); }
  std::string query(const std::string& name) const;  // "" where absent
  // The body as a JSON object that has no other keys than these.
  Result<nlohmann::ordered_json> json(std::initializer_list<std::string_view> keys) const;
};

struct Route {
  std::string method;
  std::string pattern;  // "/v1/banks/{bank}"
  Role least = Role::kViewer;
  std::vector<std::string> query_keys;  // others are refused
  std::function<Result<ApiResponse>(const ApiCall&)> handle;
};

class Router {
 public:
  void add(Route route) { routes_.push_back(std::move(route)); }
  void set_otherwise(Error error) { otherwise_ = std::move(error); }  // instead of "not found"
  ApiResponse handle(const ApiRequest& request) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
  std::optional<Error> otherwise_;
};

ApiResponse json_response(const nlohmann::ordered_json& value, int status = 200);
ApiResponse error_response(const Error& error);

// "/v1/banks/a%20b?x=1" becomes path and query. Error: a broken %-escape.
Result<void> parse_target(std::string_view target, ApiRequest& request);
std::string percent_encode(std::string_view text);

}  // namespace soundgate
