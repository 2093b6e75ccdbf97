// A writer changes the index while readers match. Worth most under ThreadSanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "index/index.h"
#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

TEST(Concurrency, ReadersMatchWhileAWriterWrites) {
  const test::ScratchDirectory scratch;
  const auto index = test::open_index(scratch.path());
  test::value_of(index->create_bank(test::bank_named("spam")));
  const auto steady = test::make_track(1, 60);
  test::value_of(index->enroll(test::request_of("steady", steady)));

  std::atomic<bool> done = false;
  std::atomic<int> missed = 0;
  const auto read = [&] {
    while (!done) {
      const auto session = index->match();
      for (size_t i = 0; i < steady.size(); i += 50) {
        const size_t count = std::min<size_t>(50, steady.size() - i);
        session->append(static_cast<uint32_t>(i), std::span(steady).subspan(i, count));
      }
      missed += session->finish().empty();
      index->status();
      index->references("spam");
    }
  };
  std::thread first(read), second(read);
  for (uint64_t i = 0; i < 30; ++i) {
    const std::string content_id = std::to_string(i % 10);
    EXPECT_TRUE(index->enroll(test::request_of(content_id, test::make_track(100 + i, 30))));
    if (i % 3 == 0) {
      EXPECT_TRUE(index->remove("spam", content_id));
    }
    if (i % 3 == 1) {
      EXPECT_TRUE(index->suppress("spam", content_id, {"x", {}}));
    }
  }
  done = true;
  first.join();
  second.join();
  EXPECT_EQ(missed, 0);
}

}  // namespace
}  // namespace soundgate
