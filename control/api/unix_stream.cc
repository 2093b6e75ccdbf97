#include "control/api/unix_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <cerrno>
#include <cstring>

namespace soundgate {
namespace {

boost::system::error_code last_error() { return {errno, boost::system::system_category()}; }

Error connect_error(const std::filesystem::path& path, int code) {
  const std::string where = path.string() + ": " + std::strerror(code);
  if (code == EACCES || code == EPERM)
    return {ErrorCode::kForbidden, "cannot connect to " + where, {}};
  return {ErrorCode::kUnavailable, "no soundgated answers on " + where, {}};
}

}  // namespace

UnixStream::~UnixStream() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<UnixStream> UnixStream::connect(const std::filesystem::path& path,
                                       std::chrono::seconds idle_max) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) {
    return tl::unexpected(connect_error(path, ENAMETOOLONG));
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  UnixStream stream(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), idle_max);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (stream.descriptor_ < 0 || ::connect(stream.descriptor_, generic, sizeof address) != 0) {
    return tl::unexpected(connect_error(path, errno));
  }
  return stream;
}

void UnixStream::shut_down() { shutdown(descriptor_, SHUT_RDWR); }

bool UnixStream::wait(short events, boost::system::error_code& error) const {
  pollfd entry{descriptor_, events, 0};
  const auto timeout_ms = std::chrono::duration_cast<std::chrono::milliseconds>(idle_max_).count();
  int ready = 0;
  do {
    ready = poll(&entry, 1, static_cast<int>(timeout_ms));
  } while (ready < 0 && errno == EINTR);
  if (ready > 0) return true;
  error = ready < 0 ? last_error() : boost::system::error_code(boost::asio::error::timed_out);
  return false;
}

size_t UnixStream::receive(void* data, size_t bytes, boost::system::error_code& error) {
  error = {};
  if (!wait(POLLIN, error)) return 0;
  const ssize_t got = recv(descriptor_, data, bytes, 0);
  if (got < 0) error = last_error();
  if (got == 0) error = boost::asio::error::eof;
  return got > 0 ? static_cast<size_t>(got) : 0;
}

size_t UnixStream::send(std::span<iovec> pieces, boost::system::error_code& error) {
  error = {};
  if (pieces.empty() || !wait(POLLOUT, error)) return 0;
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  const ssize_t sent = sendmsg(descriptor_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return static_cast<size_t>(sent);
  if (errno != EAGAIN) error = last_error();
  return 0;
}

UnixPeer peer_of(int descriptor) {
  ucred credentials{};
  socklen_t bytes = sizeof credentials;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) {
    return {0, static_cast<unsigned>(-1)};
  }
  return {credentials.pid, credentials.uid};
}

}  // namespace soundgate
