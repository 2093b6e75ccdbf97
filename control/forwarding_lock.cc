#include "control/forwarding_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

namespace soundgate {
namespace {

constexpr std::chrono::milliseconds kTryPeriod{5};
constexpr size_t kStateBytes = 16;  // padded with blanks

flock region(ForwardingLock::Part part, int type) {
  flock lock{};
  lock.l_type = static_cast<short>(type);
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(part);
  lock.l_len = 1;
  return lock;
}

}  // namespace

tl::expected<ForwardingLock, std::string> ForwardingLock::open(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0) return ForwardingLock(fd);
  return tl::unexpected(file.string() + ": " + std::generic_category().message(errno));
}

ForwardingLock::~ForwardingLock() {
  if (fd_ >= 0) ::close(fd_);
}

ForwardingLock::ForwardingLock(ForwardingLock&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

bool ForwardingLock::try_take(Part part) {
  flock lock = region(part, F_WRLCK);
  return ::fcntl(fd_, F_OFD_SETLK, &lock) == 0;
}

bool ForwardingLock::take(Part part) {
  flock lock = region(part, F_WRLCK);
  return ::fcntl(fd_, F_OFD_SETLKW, &lock) == 0;
}

bool ForwardingLock::take_within(Part part, std::chrono::milliseconds time_max) {
  const auto deadline = std::chrono::steady_clock::now() + time_max;
  while (!try_take(part)) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kTryPeriod);
  }
  return true;
}

void ForwardingLock::give_up(Part part) {
  flock lock = region(part, F_UNLCK);
  ::fcntl(fd_, F_OFD_SETLK, &lock);
}

bool ForwardingLock::is_held_by_other(Part part) const {
  flock lock = region(part, F_WRLCK);
  return ::fcntl(fd_, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void ForwardingLock::say(std::string_view state) {
  std::string text(state);
  text.resize(kStateBytes, ' ');
  [[maybe_unused]] const ssize_t written = ::pwrite(fd_, text.data(), text.size(), 0);
}

std::string ForwardingLock::said() const {
  std::array<char, kStateBytes> text{};
  const ssize_t bytes = ::pread(fd_, text.data(), text.size(), 0);
  const std::string_view all(text.data(), static_cast<size_t>(std::max<ssize_t>(bytes, 0)));
  return std::string(all.substr(0, all.find(' ')));
}

}  // namespace soundgate
