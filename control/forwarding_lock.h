// Who forwards packets: soundgated, or the bridge that goes round it. One file, whose first bytes
// are locked by whoever it is, so that there are never two, and never none for long: the kernel
// gives up the lock of a process the moment it dies, however it dies.
//   byte 0  held by who forwards
//   byte 1  held by a soundgated that wants to forward, for all its life
//   byte 2  held by the soundgate-bypass that watches
// What is written in the file says how soundgated fares, for the journal.
// Thread: one.  Errors: text, one line.
// Source: fcntl(2), open file description locks.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace soundgate {

class ForwardingLock {
 public:
  enum class Part : uint8_t { kForwarding, kWanted, kWatching };

  // Makes the file where there is none.
  static tl::expected<ForwardingLock, std::string> open(const std::filesystem::path& file);
  ~ForwardingLock();
  ForwardingLock(ForwardingLock&& other) noexcept;
  ForwardingLock& operator=(ForwardingLock&&) = delete;

  bool try_take(Part part);  // false: another has it
  bool take(Part part);      // waits; false: a signal came
  bool take_within(Part part, std::chrono::milliseconds time_max);
  void give_up(Part part);
  bool is_held_by_other(Part part) const;

  void say(std::string_view state);  // "running", "stopped"
  std::string said() const;

 private:
  explicit ForwardingLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace soundgate
