// The session of the index in this process: a matcher that always asks the newest snapshot.
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "index/align/matcher.h"
#include "index/index.h"
#include "index/search/snapshot.h"

namespace soundgate {

class LocalMatchSession final : public MatchSession {
 public:
  explicit LocalMatchSession(std::shared_ptr<const SnapshotCell> newest)
      : newest_(std::move(newest)), matcher_(newest_->get()) {}

  void append(uint32_t first_item, std::span<const Item> items) override;
  std::vector<Match> finish() override;
  int64_t index_version() const override { return index_version_; }

 private:
  std::shared_ptr<const SnapshotCell> newest_;
  Matcher matcher_;
  int64_t index_version_ = 0;
};

}  // namespace soundgate
