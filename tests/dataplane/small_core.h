// An engine's tables for tests of one connection or two: whoever makes thousands of engines waits
// for their memory.
#pragma once

#include "dataplane/core.h"

namespace soundgate::test {

inline CoreSizes small_core() {
  return {.flows = 4,
          .buffers = 64,
          .heads = 2,
          .forms = 1,
          .uploads = 2,
          .exchanges = 1,
          .resources = 1,
          .seen_blocks = 1,
          .shared = {.created = 64, .refused = 64, .endpoints = 64}};
}

}  // namespace soundgate::test
