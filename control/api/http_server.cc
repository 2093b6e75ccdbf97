#include "control/api/http_server.h"

#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <system_error>

#include "control/api/unix_listener.h"
#include "control/api/unix_stream.h"
#include "control/limits.h"
#include "control/log.h"
#include "control/text.h"
#include "control/version.h"

namespace soundgate {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using BeastError = boost::system::error_code;
using Parser = http::request_parser<http::buffer_body>;

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
    if (error) return tl::unexpected(why(error));
    return into.size() - body.size;
  }

  int64_t size_bytes() const override {
    const auto length = parser_.content_length();
    return length ? static_cast<int64_t>(*length) : -1;
  }

  static Error why(const BeastError& error) {
    if (error == http::error::body_limit) {
      return {ErrorCode::kUnusable, "larger than " + size_text(kFileBodyBytesMax), {}};
    }
    if (error == boost::asio::error::timed_out) {
      return {ErrorCode::kUnusable, "its bytes came too slowly, or stopped coming", {}};
    }
    return {ErrorCode::kInvalid, "the request's body broke off: " + error.message(), {}};
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

// A length that is known goes before it, else the last chunk says so: a client knows whether all of
// it came.
bool respond_with_stream(UnixStream& stream, const ApiResponse& answer, unsigned version,
                         bool keep_alive) {
  http::response<http::empty_body> head(static_cast<http::status>(answer.status), version);
  head.set(http::field::server, std::string("soundgated/") + kVersion);
  head.set(http::field::content_type, answer.content_type);
  head.keep_alive(keep_alive);
  const bool in_chunks = answer.stream->size_bytes() < 0;
  if (in_chunks) {
    head.chunked(true);
  } else {
    head.content_length(static_cast<uint64_t>(answer.stream->size_bytes()));
  }
  http::response_serializer<http::empty_body> serializer(head);
  BeastError error;
  http::write_header(stream, serializer, error);
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kReadPieceBytes);
  while (!error) {
    const auto bytes = answer.stream->read({buffer.get(), kReadPieceBytes});
    if (!bytes) return false;  // the connection ends too early, and so says that it failed
    const auto piece = boost::asio::buffer(buffer.get(), *bytes);
    if (*bytes == 0) {
      if (in_chunks) boost::asio::write(stream, http::make_chunk_last(), error);
      return keep_alive && !error;
    }
    if (in_chunks) {
      boost::asio::write(stream, http::make_chunk(piece), error);
    } else {
      boost::asio::write(stream, piece, error);
    }
  }
  return false;
}

bool respond(UnixStream& stream, ApiResponse answer, unsigned version, bool keep_alive) {
  stream.begin_exchange();
  if (answer.stream) return respond_with_stream(stream, answer, version, keep_alive);
  http::response<http::string_body> response(static_cast<http::status>(answer.status), version);
  response.set(http::field::server, std::string("soundgated/") + kVersion);
  response.set(http::field::content_type, answer.content_type);
  response.keep_alive(keep_alive);
  response.body() = std::move(answer.body);  // there may be much of it
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

Error head_error(const BeastError& error) {
  if (error == http::error::header_limit) {
    return {
        ErrorCode::kInvalid,
        "the request's head is larger than 16 KiB (its title, content id and metadata are in it)",
        {}};
  }
  return {ErrorCode::kInvalid, "the request is malformed: " + error.message(), {}};
}

// One request; true: another may follow on this connection.
bool serve_one(UnixStream& stream, beast::flat_buffer& buffer, const Router& router, Role role,
               const std::string& caller) {
  stream.begin_exchange();
  Parser parser;
  parser.header_limit(kRequestHeaderBytesMax);
  parser.body_limit(kFileBodyBytesMax);
  BeastError error;
  http::read_header(stream, buffer, parser, error);
  if (error == http::error::end_of_stream || error == boost::asio::error::timed_out) return false;
  if (error) return respond(stream, error_response(head_error(error)), 11, false);
  if (!send_continue(stream, parser)) return false;

  BodySource body(stream, buffer, parser);
  ApiRequest request;
  request.method = std::string(parser.get().method_string());
  request.role = role;
  request.caller = caller;
  request.body = &body;
  const auto target = parser.get().target();
  const auto parsed = parse_target({target.data(), target.size()}, request);
  ApiResponse answer = parsed ? router.handle(request) : error_response(parsed.error());
  const bool drained = body.drain();
  const bool keep_alive = drained && parser.get().keep_alive();
  return respond(stream, std::move(answer), parser.get().version(), keep_alive);
}

}  // namespace

struct HttpServer::Connection {
  Connection(int descriptor, const RoleGroups& groups)
      : stream(descriptor, {kConnectionIdleMax, kConnectionBytesPerSecondMin}),
        peer(peer_of(descriptor)),
        role(role_of(peer, groups, geteuid())) {}
  UnixStream stream;
  const UnixPeer peer;
  const Role role;
  std::atomic<bool> ended{false};
  std::thread thread;
};

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const std::filesystem::path& path,
                                                       const Options& options) {
  return listen_on(path, options.group).map([&](const UnixListener& listener) {
    return std::unique_ptr<HttpServer>(
        new HttpServer(path, listener.descriptor, listener.lock, options));
  });
}

HttpServer::HttpServer(std::filesystem::path path, int listener, int lock, const Options& options)
    : path_(std::move(path)), listener_(listener), lock_(lock), options_(options) {}

HttpServer::~HttpServer() {
  stop();
  unlink(path_.c_str());
  close(listener_);
  close(lock_);
}

void HttpServer::start(const Router& router) {
  router_ = &router;
  acceptor_ = std::thread([this] { accept_loop(); });
}

void HttpServer::replace(const Router& router) { router_ = &router; }

void HttpServer::stop() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  if (acceptor_.joinable()) acceptor_.join();
  const std::lock_guard lock(mutex_);
  for (const auto& connection : connections_) connection->stream.shut_down();
  for (const auto& connection : connections_) connection->thread.join();
  connections_.clear();
}

void HttpServer::accept_loop() {
  while (!stopping_) {
    const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor >= 0) {
      add_connection(descriptor);
    } else if (errno != EINTR && !stopping_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // out of descriptors
    }
  }
}

size_t HttpServer::connections_max(const Connection& connection) const {
  const int all = options_.connections_max;
  const bool may_only_look = connection.role <= Role::kViewer;
  return static_cast<size_t>(may_only_look ? all - reserved_connections(all) : all);
}

void HttpServer::add_connection(int descriptor) {
  const std::lock_guard lock(mutex_);
  reap_ended();
  auto connection = std::make_unique<Connection>(descriptor, options_.groups);
  Connection* c = connection.get();
  bool has_thread = connections_.size() < connections_max(*c);
  if (has_thread) {
    try {
      c->thread = std::thread([this, c] { serve(*c); });
    } catch (const std::system_error&) {
      has_thread = false;  // the machine has none left: packets must flow all the same
    }
  }
  if (has_thread) {
    connections_.push_back(std::move(connection));
    return;
  }
  const Error busy{ErrorCode::kUnavailable, "all control connections are in use", {}};
  respond(c->stream, error_response(busy), 11, false);
}

// Whatever goes wrong here costs this connection, never the appliance.
void HttpServer::serve(Connection& connection) const {
  try {
    const std::string caller = caller_of(connection.peer.uid);
    beast::flat_buffer buffer;
    while (serve_one(connection.stream, buffer, *router_.load(), connection.role, caller)) {
    }
  } catch (const std::exception& error) {
    log(LogLevel::kError, "connection_failed", {{"error", error.what()}});
  }
  connection.stream.shut_down();
  connection.ended = true;
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
