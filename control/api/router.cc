#include "control/api/router.h"

#include <algorithm>
#include <array>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>

#include "control/decisions/verdict_json.h"
#include "control/limits.h"
#include "control/text.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;
using Parts = std::map<std::string, std::string>;

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> pieces;
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    const size_t end = std::min(path.find('/'), path.size());
    pieces.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return pieces;
}

// Content ids may hold slashes: they are percent-encoded, and decoded only after the split.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return {};
    out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return out;
}

std::optional<Parts> match(std::string_view pattern, std::string_view path) {
  const auto expected = split(pattern);
  const auto given = split(path);
  if (expected.size() != given.size()) return {};
  Parts parts;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!expected[i].starts_with('{')) {
      if (expected[i] != given[i]) return {};
      continue;
    }
    const auto value = percent_decode(given[i], false);
    if (!value || value->empty()) return {};
    parts[std::string(expected[i].substr(1, expected[i].size() - 2))] = *value;
  }
  return parts;
}

Result<void> check_query(const Route& route, const ApiRequest& request) {
  for (const auto& [key, value] : request.query) {
    const auto& known = route.query_keys;
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return fail(ErrorCode::kInvalid, "there is no query parameter '" + escape_controls(key) +
                                         "' of " + route.method + " " + route.pattern);
  }
  return {};
}

Result<std::string> read_text(ByteSource* body) {
  std::string text;
  if (body == nullptr) return text;
  std::array<std::byte, 4096> piece;
  for (;;) {
    const auto read = body->read(piece);
    if (!read) return tl::unexpected(read.error());
    if (*read == 0) return text;
    text.append(reinterpret_cast<const char*>(piece.data()), *read);
    if (text.size() > kRequestJsonBytesMax) {
      return fail(ErrorCode::kInvalid, "the JSON body is larger than 256 KiB");
    }
  }
}

ApiResponse call(const Route& route, const ApiRequest& request, Parts parts) {
  if (request.role < route.least) {
    return error_response({ErrorCode::kForbidden,
                           request.caller + " may not " + route.method + " " + route.pattern,
                           {}});
  }
  if (const auto known = check_query(route, request); !known) return error_response(known.error());
  try {
    const auto response = route.handle(ApiCall{request, std::move(parts)});
    return response ? *response : error_response(response.error());
  } catch (const std::exception& error) {
    return error_response({ErrorCode::kInternal, error.what(), {}});
  }
}

}  // namespace

std::string ApiCall::query(const std::string& name) const {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

Result<Json> ApiCall::json(std::initializer_list<std::string_view> keys) const {
  auto text = read_text(request.body);
  if (!text) return tl::unexpected(text.error());
  Json value = parse_untrusted(*text);
  if (!value.is_object()) {
    return fail(ErrorCode::kInvalid, "the body must be a JSON object, nested at most 64 deep");
  }
  for (const auto& [key, unused] : value.items()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    return fail(ErrorCode::kInvalid, "there is no key '" + escape_controls(key) + "' here");
  }
  return value;
}

ApiResponse Router::handle(const ApiRequest& request) const {
  bool path_exists = false;
  for (const Route& route : routes_) {
    auto parts = match(route.pattern, request.path);
    if (!parts) continue;
    if (route.method == request.method) return call(route, request, std::move(*parts));
    path_exists = true;
  }
  if (otherwise_) return error_response(*otherwise_);
  const std::string what = escape_controls(request.method + " " + request.path);
  ApiResponse response = error_response({ErrorCode::kNotFound, "there is no " + what, {}});
  if (path_exists) response.status = 405;
  return response;
}

ApiResponse json_response(const Json& value, int status) {
  return {status, dump(value) + "\n", "application/json"};
}

ApiResponse error_response(const Error& error) {
  Json body = {{"code", name(error.code)}, {"message", error.message}};
  if (!error.reason.empty()) body["reason"] = error.reason;
  return json_response({{"error", std::move(body)}}, http_status(error.code));
}

Result<void> parse_target(std::string_view target, ApiRequest& request) {
  const size_t mark = std::min(target.find('?'), target.size());
  request.path = target.substr(0, mark);
  const auto broken = [] { return fail(ErrorCode::kInvalid, "the request's target is malformed"); };
  if (!request.path.starts_with('/')) return broken();
  std::string_view rest = target.substr(std::min(mark + 1, target.size()));
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    const auto key = percent_decode(pair.substr(0, equals), true);
    const auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!key || !value) return broken();
    request.query[*key] = *value;
  }
  return {};
}

std::string percent_encode(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

}  // namespace soundgate
