// A pool of one worker, which all tests of a suite share, and what is heard of it.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "tests/fingerprint/pool_recorder.h"

namespace soundgate::test {

class OneWorker : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    DecoderPool::Options options;
    options.worker_path = SOUNDGATE_DECODER;
    options.worker_count = 1;
    pool_ = DecoderPool::start(options, recorder_).value();
  }
  static void TearDownTestSuite() { pool_.reset(); }

  static inline PoolRecorder recorder_;
  static inline std::unique_ptr<DecoderPool> pool_;
};

}  // namespace soundgate::test
