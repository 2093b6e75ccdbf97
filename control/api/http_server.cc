#include "control/api/http_server.h"

#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>

#include "control/api/unix_listener.h"
#include "control/api/unix_stream.h"
#include "control/limits.h"
#include "control/log.h"
#include "control/version.h"

namespace soundgate {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using BeastError = boost::system::error_code;
using Parser = http::request_parser<http::buffer_body>;

// Root and the daemon's own user do everything; who else gets through the socket's rights may look.
Role role_of(unsigned uid) { return uid == 0 || uid == geteuid() ? Role::kAdmin : Role::kViewer; }

std::string caller_of(unsigned uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> texts;
  getpwuid_r(uid, &entry, texts.data(), texts.size(), &found);
  return found != nullptr ? entry.pw_name : "uid " + std::to_string(uid);
}

// The body of the request that is being handled.
class BodySource : public ByteSource {
 public:
  BodySource(UnixStream& stream, beast::flat_buffer& buffer, Parser& parser)
      : stream_(stream), buffer_(buffer), parser_(parser) {}

  Result<size_t> read(std::span<std::byte> into) override {
    if (parser_.is_done()) return 0;
    BeastError error;
    auto& body = parser_.get().body();
    body.data = into.data();
    body.size = into.size();
    http::read(stream_, buffer_, parser_, error);
    if (error == http::error::need_buffer) error = {};
    if (error) return fail(ErrorCode::kInvalid, "the request's body broke off: " + error.message());
    return into.size() - body.size;
  }

  int64_t size_bytes() const override {
    const auto length = parser_.content_length();
    return length ? static_cast<int64_t>(*length) : -1;
  }

  bool drain() {  // false: the client stalls, or has gone
    std::byte rest[16384];
    for (;;) {
      const auto bytes = read(rest);
      if (!bytes) return false;
      if (*bytes == 0) return true;
    }
  }

 private:
  UnixStream& stream_;
  beast::flat_buffer& buffer_;
  Parser& parser_;
};

bool respond(UnixStream& stream, const ApiResponse& answer, unsigned version, bool keep_alive) {
  http::response<http::string_body> response(static_cast<http::status>(answer.status), version);
  response.set(http::field::server, std::string("soundgated/") + kVersion);
  response.set(http::field::content_type, answer.content_type);
  response.keep_alive(keep_alive);
  response.body() = answer.body;
  response.prepare_payload();
  BeastError error;
  http::write(stream, response, error);
  return !error && keep_alive;
}

// curl waits for this before it sends a file.
bool send_continue(UnixStream& stream, const Parser& parser) {
  if (!beast::iequals(parser.get()[http::field::expect], "100-continue")) return true;
  http::response<http::empty_body> interim(http::status::continue_, 11);
  BeastError error;
  http::write(stream, interim, error);
  return !error;
}

// One request; true: another may follow on this connection.
bool serve_one(UnixStream& stream, beast::flat_buffer& buffer, const Router& router, unsigned uid) {
  Parser parser;
  parser.header_limit(kRequestHeaderBytesMax);
  parser.body_limit(kBodyBytesMax);
  BeastError error;
  http::read_header(stream, buffer, parser, error);
  if (error == http::error::end_of_stream || error == boost::asio::error::timed_out) return false;
  if (error) {
    const Error what{ErrorCode::kInvalid, "the request is malformed: " + error.message(), {}};
    return respond(stream, error_response(what), 11, false);
  }
  if (!send_continue(stream, parser)) return false;

  BodySource body(stream, buffer, parser);
  ApiRequest request;
  request.method = std::string(parser.get().method_string());
  request.role = role_of(uid);
  request.caller = caller_of(uid);
  request.body = &body;
  const auto target = parser.get().target();
  const auto parsed = parse_target({target.data(), target.size()}, request);
  const ApiResponse answer = parsed ? router.handle(request) : error_response(parsed.error());
  const bool drained = body.drain();
  return respond(stream, answer, parser.get().version(), drained && parser.get().keep_alive());
}

}  // namespace

struct HttpServer::Connection {
  explicit Connection(int descriptor) : stream(descriptor, kConnectionIdleMax) {}
  UnixStream stream;
  std::atomic<bool> ended{false};
  std::thread thread;
};

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const std::filesystem::path& path,
                                                       int connections_max) {
  return listen_on(path).map([&](const UnixListener& listener) {
    return std::unique_ptr<HttpServer>(
        new HttpServer(path, listener.descriptor, listener.lock, connections_max));
  });
}

HttpServer::HttpServer(std::filesystem::path path, int listener, int lock, int connections_max)
    : path_(std::move(path)),
      listener_(listener),
      lock_(lock),
      connections_max_(static_cast<size_t>(connections_max)) {}

HttpServer::~HttpServer() {
  stop();
  unlink(path_.c_str());
  close(listener_);
  close(lock_);
}

void HttpServer::start(const Router& router) {
  acceptor_ = std::thread([this, &router] { accept_loop(router); });
}

void HttpServer::stop() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  if (acceptor_.joinable()) acceptor_.join();
  const std::lock_guard lock(mutex_);
  for (const auto& connection : connections_) connection->stream.shut_down();
  for (const auto& connection : connections_) connection->thread.join();
  connections_.clear();
}

void HttpServer::accept_loop(const Router& router) {
  while (!stopping_) {
    const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor >= 0) {
      add_connection(descriptor, router);
    } else if (errno != EINTR && !stopping_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // out of descriptors
    }
  }
}

void HttpServer::add_connection(int descriptor, const Router& router) {
  const std::lock_guard lock(mutex_);
  reap_ended();
  auto connection = std::make_unique<Connection>(descriptor);
  if (connections_.size() >= connections_max_) {
    const Error busy{ErrorCode::kUnavailable, "all control connections are in use", {}};
    respond(connection->stream, error_response(busy), 11, false);
    return;
  }
  Connection* c = connection.get();
  c->thread = std::thread([c, &router] {
    const unsigned uid = peer_of(c->stream.descriptor()).uid;
    beast::flat_buffer buffer;
    while (serve_one(c->stream, buffer, router, uid)) {
    }
    c->stream.shut_down();
    c->ended = true;
  });
  connections_.push_back(std::move(connection));
}

void HttpServer::reap_ended() {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if ((*it)->ended) {
      (*it)->thread.join();
      it = connections_.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace soundgate
