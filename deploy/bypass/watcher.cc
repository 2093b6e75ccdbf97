#include "deploy/bypass/watcher.h"

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "control/bypass_journal.h"

namespace soundgate::bypass {
namespace {

using Part = ForwardingLock::Part;

constexpr std::chrono::milliseconds kLookPeriod{10};     // for a soundgated that wants to forward
constexpr std::chrono::milliseconds kInsistPeriod{100};  // what the kernel refused is tried again
constexpr std::string_view kBypassState = "bypass";  // what the lock says while packets go round

void say(const std::string& what) { std::fprintf(stderr, "soundgate-bypass: %s\n", what.c_str()); }

void complain(const tl::expected<void, std::string>& done) {
  if (!done) say("the journal is not written: " + done.error());
}

std::string cause_of(const std::string& said) {
  if (said == "running") return "soundgated died";
  if (said == "stopped") return "soundgated was stopped";
  return "no soundgated had started";
}

bool is_going_on(const std::filesystem::path& journal) {
  const auto periods = read_bypasses(journal);
  return periods && !periods->empty() && periods->back().ended == WallTime();
}

}  // namespace

void Watcher::run() {
  while (!stopping_ && lock_.take(Part::kForwarding)) {
    go_round();
    while (!stopping_ && !lock_.is_held_by_other(Part::kWanted)) {
      std::this_thread::sleep_for(kLookPeriod);
    }
    if (!stopping_) hand_over();
  }
}

void Watcher::go_round() {
  const std::string said = lock_.said();
  const std::string cause = cause_of(said);
  insist("bridge", &Bridge::join);
  const auto now = std::chrono::system_clock::now();
  say("packets go round: " + cause);
  // Where this program was started anew in the middle of it, it began before.
  const bool goes_on = said == kBypassState && is_going_on(journal_);
  if (!goes_on) complain(write_bypass_began(journal_, now, cause));
  lock_.say(kBypassState);
}

void Watcher::hand_over() {
  insist("take the bridge apart", &Bridge::part);
  complain(write_bypass_ended(journal_, std::chrono::system_clock::now()));
  say("soundgated takes over");
  lock_.give_up(Part::kForwarding);
  // It waits for the lock; it must not lose it to us.
  while (!stopping_ && lock_.is_held_by_other(Part::kWanted) &&
         !lock_.is_held_by_other(Part::kForwarding)) {
    std::this_thread::sleep_for(kLookPeriod);
  }
}

// Half a bridge, or packets with two ways, would be worse than to wait.
void Watcher::insist(const char* what, Bridge::Done (Bridge::*act)()) {
  std::string said;
  for (;;) {
    const Bridge::Done done = (bridge_.*act)();
    if (done || stopping_) return;
    if (done.error() != said) say(std::string("cannot ") + what + " yet: " + done.error());
    said = done.error();
    std::this_thread::sleep_for(kInsistPeriod);
  }
}

}  // namespace soundgate::bypass
