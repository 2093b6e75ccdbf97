// Looks at an upload while it arrives, for what no later audio can undo: README, "Early matches".
// Input: the matchers of the upload and its probes, after each search of theirs.  Output: stretches
//   that are strong enough for the longest upload there may be, each as it was when it was found.
// Bounded: kEarlyLooksMax looks, at kEarlyAlignmentsMax places each.
// Thread: the session's.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "index/align/matcher.h"
#include "index/align/view.h"
#include "index/bank.h"

namespace soundgate {

class EarlyLooks {
 public:
  // false_positives_max: to be expected of all of an upload; the looks take kEarlyShare of it.
  explicit EarlyLooks(double false_positives_max) : false_positives_max_(false_positives_max) {}

  struct Source {
    int view;  // fingerprint.h
    Matcher* matcher;
  };
  // The plain view comes first. Whether something was found. Only references of banks that ask for
  // `least` or more are looked at, and only where the newest searches speak for one of them.
  bool look(std::span<const Source> sources, const Snapshot& snapshot, Action least);

  // What all looks have found.
  std::vector<View> views() const;
  bool has_looked() const { return count_ > 0; }

 private:
  bool align(const Source& source, const Candidate& candidate, const Snapshot& snapshot);

  const double false_positives_max_;
  int count_ = 0;
  uint32_t next_items_ = 0;    // of the upload, before it is looked at again
  std::map<int, View> found_;  // by their number
};

}  // namespace soundgate
