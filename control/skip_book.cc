#include "control/skip_book.h"

#include <algorithm>

#include "control/log.h"
#include "control/text.h"

namespace soundgate {
namespace {

bool is_over(const SkipRecord& skip) { return skip.until <= std::chrono::system_clock::now(); }

}  // namespace

Result<void> SkipBook::load() {
  auto kept = store_.skips();
  if (!kept) return tl::unexpected(kept.error());
  const std::lock_guard lock(mutex_);
  skips_ = std::move(*kept);
  publish();
  return {};
}

Result<SkipRecord> SkipBook::add(SkipRecord skip) {
  if (const auto rule = parse_skip_rule(skip.what); !rule) {
    return fail(ErrorCode::kInvalid, escape_controls(skip.what) + ": " + rule.error());
  }
  const auto now = std::chrono::system_clock::now();
  if (skip.until <= now || skip.until > now + kLongest) {
    return fail(ErrorCode::kInvalid, "a skip ends within the next 30 days");
  }
  const std::lock_guard lock(mutex_);
  std::vector<SkipRecord> changed = skips_;
  std::erase_if(changed, [&](const auto& old) { return is_over(old) || old.what == skip.what; });
  if (changed.size() >= kSkipsMax) {
    return fail(ErrorCode::kConflict,
                "there are " + std::to_string(kSkipsMax) + " skips already: remove one");
  }
  changed.push_back(skip);
  std::ranges::sort(changed, {}, &SkipRecord::what);
  if (auto stored = store_.set_skips(changed); !stored) return tl::unexpected(stored.error());
  skips_ = std::move(changed);
  publish();
  log(LogLevel::kWarn, "skip_added",
      {{"what", skip.what},
       {"until", iso8601(skip.until)},
       {"by", skip.by},
       {"reason", skip.reason}});
  return skip;
}

Result<void> SkipBook::remove(const std::string& what, const std::string& by) {
  const std::lock_guard lock(mutex_);
  std::vector<SkipRecord> changed = skips_;
  if (std::erase_if(changed, [&](const auto& skip) { return skip.what == what; }) == 0) {
    return fail(ErrorCode::kNotFound, "nothing skips " + escape_controls(what));
  }
  if (auto stored = store_.set_skips(changed); !stored) return stored;
  skips_ = std::move(changed);
  publish();
  log(LogLevel::kWarn, "skip_removed", {{"what", what}, {"by", by}});
  return {};
}

std::vector<SkipRecord> SkipBook::in_force() const {
  const std::lock_guard lock(mutex_);
  std::vector<SkipRecord> skips = skips_;
  std::erase_if(skips, is_over);
  return skips;
}

void SkipBook::publish() {
  std::vector<SkipRule> rules;
  for (const SkipRecord& skip : skips_) {
    auto rule = parse_skip_rule(skip.what);
    if (!rule) continue;  // an older Soundgate's: it inspects
    rule->until = skip.until;
    rules.push_back(std::move(*rule));
  }
  intake_->set_skips(std::move(rules));
}

}  // namespace soundgate
