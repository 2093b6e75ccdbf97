#include "control/mode_switch.h"

#include "control/decisions/verdict_json.h"
#include "control/log.h"

namespace soundgate {

Result<ModeRecord> ModeSwitch::remembered(DecisionStore& store, Mode configured) {
  auto mode = store.mode();
  if (!mode) return tl::unexpected(mode.error());
  if (*mode) return **mode;
  return ModeRecord{configured, std::chrono::system_clock::now(), "configuration", "mode.default"};
}

ModeRecord ModeSwitch::observing() {
  return {Mode::kObserve, std::chrono::system_clock::now(), "configuration", "dataplane.mode"};
}

ModeRecord ModeSwitch::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

Result<ModeRecord> ModeSwitch::set(Mode mode, const std::string& by, const std::string& reason) {
  if (mode == Mode::kEnforce && !can_enforce_) {
    return fail(ErrorCode::kConflict,
                "this appliance sees copies of packets (dataplane.mode): it cannot enforce");
  }
  const std::lock_guard lock(mutex_);
  const ModeRecord record{mode, std::chrono::system_clock::now(), by, reason};
  if (auto stored = store_.set_mode(record); !stored) return tl::unexpected(stored.error());
  if (dataplane_ != nullptr) dataplane_->set_mode(mode);
  current_ = record;
  log(LogLevel::kWarn, "mode_set",
      {{"mode", std::string(name(mode))}, {"by", by}, {"reason", reason}});
  return record;
}

}  // namespace soundgate
