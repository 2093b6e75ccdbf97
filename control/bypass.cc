#include "control/bypass.h"

#include <ranges>

#include "control/bypass_journal.h"
#include "control/log.h"

namespace soundgate {
namespace {

using Part = ForwardingLock::Part;

// A bridge is taken apart in some hundredths of a second.
constexpr std::chrono::seconds kTakeOverMax{10};

// Packets would have two ways: round the inspection, and through it.
bool is_bridged(const std::string& interface) {
  std::error_code ignored;
  return !interface.empty() &&
         std::filesystem::exists("/sys/class/net/" + interface + "/brport", ignored);
}

}  // namespace

std::string kernel_interface(const std::string& device) {
  constexpr std::string_view kKey = ",iface=";
  const size_t at = device.find(kKey);
  if (!device.starts_with("net_af_packet") || at == device.npos) return "";
  const size_t begin = at + kKey.size();
  return device.substr(begin, device.find(',', begin) - begin);
}

Result<void> Bypass::take_over(const std::vector<std::string>& interfaces) {
  if (is_configured()) {
    if (auto taken = take_lock(); !taken) return taken;
  }
  for (const std::string& interface : interfaces) {
    if (!is_bridged(interface)) continue;
    return fail(ErrorCode::kUnavailable,
                "packets would go round: " + interface +
                    " is in a bridge (soundgate-bypass, once it runs, takes its own apart)");
  }
  if (!is_configured()) return {};
  lock_->say("running");
  import_journal();
  if (!is_watched()) {
    log(LogLevel::kWarn, "bypass_not_watched",
        {{"why", "no soundgate-bypass runs: where soundgated ends, nothing goes round"}});
  }
  return {};
}

Result<void> Bypass::take_lock() {
  auto lock = ForwardingLock::open(files_.lock);
  if (!lock) return fail(ErrorCode::kUnavailable, "bypass.lock: " + lock.error());
  lock_.emplace(std::move(*lock));
  if (!lock_->try_take(Part::kWanted)) {
    return fail(ErrorCode::kConflict,
                "another soundgated forwards: it has " + files_.lock.string());
  }
  if (!lock_->take_within(Part::kForwarding, kTakeOverMax)) {
    return fail(ErrorCode::kUnavailable, "soundgate-bypass does not let go of the ports");
  }
  return {};
}

void Bypass::hand_over() {
  if (!lock_) return;
  lock_->say("stopped");
  lock_.reset();  // soundgate-bypass has it from here on
}

bool Bypass::is_watched() const { return lock_ && lock_->is_held_by_other(Part::kWatching); }

void Bypass::import_journal() {
  const auto periods = read_bypasses(files_.journal);
  if (!periods) {
    log(LogLevel::kError, "bypass_journal_unread", {{"error", periods.error()}});
    return;
  }
  std::vector<BypassRecord> records;
  // Where a soundgate-bypass ended before it could say so: by then nothing went round any more.
  WallTime next = std::chrono::system_clock::now();
  for (const BypassPeriod& period : std::views::reverse(*periods)) {
    const WallTime ended = period.ended == WallTime() ? next : period.ended;
    records.push_back({period.began, ended, period.cause});
    next = period.began;
  }
  if (const auto kept = store_.add_bypasses(records); !kept) {
    log(LogLevel::kError, "bypasses_not_recorded", {{"error", kept.error().message}});
  }
}

}  // namespace soundgate
