#include "index/search/snapshot.h"

namespace soundgate {

bool is_suppressed(const Reference& reference, std::chrono::system_clock::time_point now) {
  if (!reference.suppression) return false;
  return !reference.suppression->until || now < *reference.suppression->until;
}

}  // namespace soundgate
