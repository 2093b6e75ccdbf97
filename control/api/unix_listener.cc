#include "control/api/unix_listener.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "control/api/unix_stream.h"

namespace soundgate {
namespace {

constexpr int kBacklog = 64;
constexpr mode_t kSocketMode = 0660;

tl::unexpected<Error> system_failure(const std::string& what, const std::filesystem::path& path) {
  return fail(ErrorCode::kInternal, what + " " + path.string() + ": " + std::strerror(errno));
}

tl::unexpected<Error> taken(const std::filesystem::path& path, const std::string& pid) {
  return fail(ErrorCode::kConflict,
              "another soundgated (pid " + pid + ") serves " + path.string() + " already");
}

std::string read_pid(int lock) {
  std::array<char, 24> text{};
  const ssize_t bytes = pread(lock, text.data(), text.size() - 1, 0);
  return bytes > 0 ? std::string(text.data(), static_cast<size_t>(bytes)) : "unknown";
}

// Two daemons that start at once must not both replace a stale socket: the lock decides.
Result<int> take_lock(const std::filesystem::path& path) {
  const std::filesystem::path file = path.string() + ".lock";
  const int lock = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) return system_failure("cannot open", file);
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const std::string pid = read_pid(lock);
    close(lock);
    return taken(path, pid);
  }
  const std::string pid = std::to_string(getpid());
  const bool written = ftruncate(lock, 0) == 0 && pwrite(lock, pid.data(), pid.size(), 0) > 0;
  if (written) return lock;
  close(lock);
  return system_failure("cannot write", file);
}

Result<void> remove_stale(const std::filesystem::path& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) {
    return fail(ErrorCode::kConflict, path.string() + " is there already and is no socket");
  }
  // Somebody who knows nothing of our lock may serve it all the same.
  if (const auto stream = UnixStream::connect(path, {std::chrono::seconds(1)})) {
    return taken(path, std::to_string(peer_of(stream->descriptor()).pid));
  }
  if (unlink(path.c_str()) != 0) return system_failure("cannot replace", path);
  return {};
}

Result<int> bind_and_listen(const std::filesystem::path& path, std::optional<unsigned> group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kInvalid, "the socket's path is too long: " + path.string());
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // The file gets its rights before anyone can connect.
  fchmod(descriptor, kSocketMode);
  const mode_t old_mask = umask(0117);
  const bool bound =
      bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int bind_error = errno;
  umask(old_mask);
  const bool given = bound && (!group || chown(path.c_str(), static_cast<uid_t>(-1), *group) == 0);
  if (given && ::listen(descriptor, kBacklog) == 0) return descriptor;
  if (!bound) errno = bind_error;
  auto failure = system_failure("cannot listen on", path);
  close(descriptor);
  return failure;
}

}  // namespace

Result<UnixListener> listen_on(const std::filesystem::path& path, std::optional<unsigned> group) {
  std::error_code ignored;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), ignored);
  const auto lock = take_lock(path);
  if (!lock) return tl::unexpected(lock.error());
  Result<int> listener = remove_stale(path).and_then([&] { return bind_and_listen(path, group); });
  if (listener) return UnixListener{*listener, *lock};
  close(*lock);
  return tl::unexpected(listener.error());
}

}  // namespace soundgate
