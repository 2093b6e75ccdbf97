#include "control/cli/backend.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "control/decisions/verdict_json.h"

namespace soundgate {
namespace {

using Json = nlohmann::ordered_json;

class TextSource : public ByteSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  Result<size_t> read(std::span<std::byte> buffer) override {
    const size_t bytes = std::min(buffer.size(), text_.size() - at_);
    std::memcpy(buffer.data(), text_.data() + at_, bytes);
    at_ += bytes;
    return bytes;
  }
  int64_t size_bytes() const override { return static_cast<int64_t>(text_.size()); }

 private:
  std::string text_;
  size_t at_ = 0;
};

std::string text_at(const Json& json, const char* key) {
  return json.contains(key) && json.at(key).is_string() ? json.at(key).get<std::string>() : "";
}

}  // namespace

Result<Json> Backend::call(const BackendRequest& request) {
  const auto response = send(request);
  if (!response) return tl::unexpected(response.error());
  return json_of(*response);
}

Result<std::shared_ptr<ByteSource>> Backend::stream(const BackendRequest& request) {
  const auto response = send(request);
  if (!response) return tl::unexpected(response.error());
  if (response->stream) return response->stream;
  const auto json = json_of(*response);
  if (!json) return tl::unexpected(json.error());
  return fail(ErrorCode::kInternal, "soundgated's answer is not what was asked for");
}

Result<std::shared_ptr<ByteSource>> Backend::stream(BackendRequest request, const Json& body) {
  TextSource source(dump(body));
  request.body = &source;
  return stream(request);
}

Result<Json> Backend::json_of(const ApiResponse& response) {
  Json json = Json::parse(response.body, nullptr, false);
  if (!json.is_object()) return fail(ErrorCode::kInternal, "soundgated's answer is no JSON object");
  if (!json.contains("error")) return json;
  const Json& error = json["error"];
  return tl::unexpected(Error{parse_error_code(text_at(error, "code")), text_at(error, "message"),
                              text_at(error, "reason")});
}

Result<Json> Backend::call(BackendRequest request, const Json& body) {
  return call_text(std::move(request), dump(body));
}

Result<Json> Backend::call_text(BackendRequest request, std::string body) {
  TextSource source(std::move(body));
  request.body = &source;
  return call(request);
}

std::string target_of(const BackendRequest& request) {
  std::string target;
  for (const std::string& piece : request.path) target += "/" + percent_encode(piece);
  char separator = '?';
  for (const auto& [key, value] : request.query) {
    target += separator + percent_encode(key) + "=" + percent_encode(value);
    separator = '&';
  }
  return target;
}

}  // namespace soundgate
