#include "control/api/unix_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <cerrno>
#include <cstring>

namespace soundgate {
namespace {

constexpr size_t kGroupsMax = 1024;  // who is in more is known by the first one alone

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

Result<UnixStream> UnixStream::connect(const std::filesystem::path& path, Patience patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) {
    return tl::unexpected(connect_error(path, ENAMETOOLONG));
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  UnixStream stream(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), patience);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (stream.descriptor_ < 0 || ::connect(stream.descriptor_, generic, sizeof address) != 0) {
    return tl::unexpected(connect_error(path, errno));
  }
  return stream;
}

void UnixStream::shut_down() { shutdown(descriptor_, SHUT_RDWR); }

void UnixStream::begin_exchange() {
  waited_ = {};
  moved_bytes_ = 0;
}

std::chrono::milliseconds UnixStream::wait_max() const {
  using std::chrono::milliseconds;
  const milliseconds idle_max = patience_.idle_max;
  if (patience_.bytes_per_second_min == 0) return idle_max;
  const milliseconds earned(moved_bytes_ * 1000 / patience_.bytes_per_second_min);
  const auto left = std::chrono::ceil<milliseconds>(idle_max + earned - waited_);
  return std::clamp(left, milliseconds(0), idle_max);
}

bool UnixStream::wait(short events, boost::system::error_code& error) {
  pollfd entry{descriptor_, events, 0};
  const auto began = std::chrono::steady_clock::now();
  int ready = 0;
  do {
    ready = poll(&entry, 1, static_cast<int>(wait_max().count()));
  } while (ready < 0 && errno == EINTR);
  waited_ += std::chrono::ceil<std::chrono::microseconds>(std::chrono::steady_clock::now() - began);
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
  if (got > 0) moved_bytes_ += got;
  return got > 0 ? static_cast<size_t>(got) : 0;
}

size_t UnixStream::send(std::span<iovec> pieces, boost::system::error_code& error) {
  error = {};
  if (pieces.empty() || !wait(POLLOUT, error)) return 0;
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  const ssize_t sent = sendmsg(descriptor_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) {
    moved_bytes_ += sent;
    return static_cast<size_t>(sent);
  }
  if (errno != EAGAIN) error = last_error();
  return 0;
}

UnixPeer peer_of(int descriptor) {
  ucred credentials{};
  socklen_t bytes = sizeof credentials;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) {
    return {0, static_cast<unsigned>(-1), {}};
  }
  UnixPeer peer{credentials.pid, credentials.uid, {credentials.gid}};
  std::array<gid_t, kGroupsMax> others{};
  bytes = sizeof others;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, others.data(), &bytes) == 0) {
    peer.groups.insert(peer.groups.end(), others.data(), others.data() + bytes / sizeof(gid_t));
  }
  return peer;
}

}  // namespace soundgate
