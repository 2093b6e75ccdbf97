#include "index/align/threshold.h"

#include <algorithm>
#include <cmath>

namespace soundgate {

double score_threshold(double seconds) { return 0.30 + 0.8 / std::sqrt(std::max(seconds, 1.0)); }

double confidence_of(double score, double seconds) {
  const double above = score - score_threshold(seconds) + 0.1;
  return std::clamp(1 - std::exp(-30 * above), 0.0, 1.0);
}

}  // namespace soundgate
