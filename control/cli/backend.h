// Who answers a command: the daemon behind a socket, or a store opened in this process. Both answer
// the same requests, so every command is written once.
// Thread: send() from any.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "control/api/router.h"
#include "control/byte_source.h"
#include "control/error.h"

namespace soundgate {

struct Config;

struct BackendRequest {
  std::string method;
  std::vector<std::string> path;  // pieces, not encoded: {"v1", "banks", "spam"}
  std::vector<std::pair<std::string, std::string>> query{};
  ByteSource* body = nullptr;
  bool takes_long = false;  // reads or writes all there is
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual Result<ApiResponse> send(const BackendRequest& request) = 0;
  virtual int files_at_once() const = 0;  // that are worth sending in parallel

  // The answer's JSON; what the other side calls an error is one here.
  Result<nlohmann::ordered_json> call(const BackendRequest& request);
  // The same with a JSON body.
  Result<nlohmann::ordered_json> call(BackendRequest request, const nlohmann::ordered_json& body);
  // The same with any text for a body.
  Result<nlohmann::ordered_json> call_text(BackendRequest request, std::string body);
  // An answer that is no JSON, as it comes.
  Result<std::shared_ptr<ByteSource>> stream(const BackendRequest& request);
  Result<std::shared_ptr<ByteSource>> stream(BackendRequest request,
                                             const nlohmann::ordered_json& body);

 private:
  static Result<nlohmann::ordered_json> json_of(const ApiResponse& response);
};

std::string target_of(const BackendRequest& request);  // "/v1/banks/spam?force=true"

std::unique_ptr<Backend> make_socket_backend(const std::string& socket);

struct StoreNeeds {
  bool create = false;    // make the store where there is none
  size_t file_count = 0;  // to be decoded; 0: no decoders are started
  // Decoding, matching and the fail policy are as it says (not the store, the socket, or packets).
  const Config* config = nullptr;  // null: defaults
};
// Errors: kNotFound for a missing store, kConflict where another process has it.
Result<std::unique_ptr<Backend>> make_store_backend(const std::string& store,
                                                    const StoreNeeds& needs);

}  // namespace soundgate
