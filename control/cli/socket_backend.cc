#include "control/api/http_client.h"
#include "control/cli/backend.h"
#include "control/limits.h"

namespace soundgate {
namespace {

class SocketBackend : public Backend {
 public:
  explicit SocketBackend(std::string socket) : socket_(std::move(socket)) {}

  Result<ApiResponse> send(const BackendRequest& request) override {
    // Deciding on a long file, or waiting for a free decoder, takes a while, too.
    const std::chrono::seconds answer_max =
        request.takes_long ? std::chrono::hours(24) : std::chrono::minutes(10);
    auto response =
        http_request(socket_, request.method, target_of(request), request.body, answer_max);
    if (!response && response.error().code == ErrorCode::kUnavailable) {
      response.error().message += " (to work on a store with no daemon: --store DIR)";
    }
    return response;
  }
  int files_at_once() const override { return kControlStreams; }

 private:
  std::string socket_;
};

}  // namespace

std::unique_ptr<Backend> make_socket_backend(const std::string& socket) {
  return std::make_unique<SocketBackend>(socket);
}

}  // namespace soundgate
