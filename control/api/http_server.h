// Serves a router over HTTP/1.1 on a Unix socket (mode 0660), a thread per connection.
// Errors: kConflict where another process answers on the socket (named), kInternal otherwise.
// A socket file that nobody serves any more is replaced; a file that is no socket never is.
// Thread: start and stop from one; handlers run on the connections' threads.
// Bounds: connections, header and body bytes, how long a client may keep us waiting; see limits.h.
#pragma once

#include <atomic>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "control/api/roles.h"
#include "control/api/router.h"
#include "control/error.h"

namespace soundgate {

class HttpServer {
 public:
  struct Options {
    int connections_max = 16;
    RoleGroups groups{};
    std::optional<unsigned> group{};  // of the socket's file; none: the process's own
  };
  static Result<std::unique_ptr<HttpServer>> listen(const std::filesystem::path& path,
                                                    const Options& options);
  ~HttpServer();  // stops; removes the socket file

  void start(const Router& router);    // which must outlive stop()
  void replace(const Router& router);  // from the next request on; the old one must outlive stop()
  void stop();

 private:
  struct Connection;
  HttpServer(std::filesystem::path path, int listener, int lock, const Options& options);

  void accept_loop();
  void add_connection(int descriptor);
  void serve(Connection& connection) const;
  size_t connections_max(const Connection& connection) const;
  void reap_ended();

  const std::filesystem::path path_;
  const int listener_;
  const int lock_;
  const Options options_;
  std::atomic<const Router*> router_{nullptr};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::list<std::unique_ptr<Connection>> connections_;
  std::thread acceptor_;
};

}  // namespace soundgate
