// Matches one upload in this process: itself, and its probes.
// Thread: one at a time.
#pragma once

#include <map>
#include <memory>

#include "index/align/early_looks.h"
#include "index/align/matcher.h"
#include "index/index.h"
#include "index/search/snapshot.h"

namespace soundgate {

class LocalMatchSession final : public MatchSession {
 public:
  // false_positives_max: to be expected of one unrelated upload.
  LocalMatchSession(std::shared_ptr<const SnapshotCell> newest, double false_positives_max);

  void append(uint32_t first_item, std::span<const Item> items) override;
  void append_view(int view, uint32_t first_item, std::span<const Item> items) override;
  std::vector<Match> decisive(Action least) override;
  bool has_candidate() override;
  std::vector<Match> finish() override;
  int64_t index_version() const override { return index_version_; }

 private:
  std::vector<ViewSearch> searches();

  const std::shared_ptr<const SnapshotCell> newest_;
  const double false_positives_max_;
  std::map<int, Matcher> views_;  // by their numbers; the plain one always
  EarlyLooks early_;
  int64_t index_version_ = 0;
};

}  // namespace soundgate
