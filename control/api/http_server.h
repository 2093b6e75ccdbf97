// Serves the router over HTTP/1.1 on a Unix socket (mode 0660), a thread per connection.
// Errors: kConflict where another process answers on the socket (named), kInternal otherwise.
// A socket file that nobody serves any more is replaced; a file that is no socket never is.
// Thread: start and stop from one; handlers run on the connections' threads.
// Bounds: connections, header and body bytes, idle time; see limits.h.
#pragma once

#include <atomic>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "control/api/router.h"
#include "control/error.h"

namespace soundgate {

class HttpServer {
 public:
  static Result<std::unique_ptr<HttpServer>> listen(const std::filesystem::path& path,
                                                    int connections_max);
  ~HttpServer();  // stops; removes the socket file

  void start(const Router& router);  // which must outlive stop()
  void stop();

 private:
  struct Connection;
  HttpServer(std::filesystem::path path, int listener, int lock, int connections_max);

  void accept_loop(const Router& router);
  void add_connection(int descriptor, const Router& router);
  void reap_ended();

  const std::filesystem::path path_;
  const int listener_;
  const int lock_;
  const size_t connections_max_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::list<std::unique_ptr<Connection>> connections_;
  std::thread acceptor_;
};

}  // namespace soundgate
