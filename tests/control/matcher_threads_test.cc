// What the decoders say reaches the matcher in order, and nobody waits for a slow upload.
#include "control/inspection/matcher_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <set>
#include <string>

#include "control/inspection/stream_tag.h"

namespace soundgate {
namespace {

using namespace std::chrono_literals;

// Notes what it hears; an upload can be held up.
class Hearing : public DecodeListener {
 public:
  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override {
    hold(tag);
    note(tag, "items " + std::to_string(first_item) + "+" + std::to_string(items.size()));
  }
  void on_view_items(uint64_t tag, int step, uint32_t first_item, std::span<const Item>) override {
    note(tag, "probe " + std::to_string(step) + " " + std::to_string(first_item));
  }
  void on_end(uint64_t tag, const DecodeEnd& end) override {
    note(tag, "end " + std::string(name(end.outcome)));
    if (tag == awaited_.load()) heard_.set_value();
  }

  void on_again(uint64_t tag) override { note(tag, "again"); }

  void hold_up(uint64_t tag) { held_ = tag; }
  void let_go() { released_.set_value(); }
  std::future<void> await_end(uint64_t tag) {
    awaited_ = tag;
    return heard_.get_future();
  }
  std::vector<std::string> of(uint64_t tag) {
    const std::lock_guard lock(mutex_);
    return words_[tag];
  }
  bool two_at_once() const { return two_at_once_; }

 private:
  void hold(uint64_t tag) {
    if (tag == held_) release_.wait();
  }
  void note(uint64_t tag, std::string word) {
    {
      const std::lock_guard lock(mutex_);
      if (!inside_.insert(tag).second) two_at_once_ = true;
    }
    std::this_thread::yield();
    const std::lock_guard lock(mutex_);
    inside_.erase(tag);
    words_[tag].push_back(std::move(word));
  }

  std::mutex mutex_;
  std::map<uint64_t, std::vector<std::string>> words_;
  std::set<uint64_t> inside_;
  std::atomic<bool> two_at_once_{false};
  std::atomic<uint64_t> held_{0}, awaited_{0};
  std::promise<void> released_, heard_;
  std::shared_future<void> release_{released_.get_future()};
};

const std::vector<Item> kItems(24, 1);

TEST(MatcherThreads, WhatIsSaidOfAnUploadKeepsItsOrder) {
  Hearing hearing;
  {
    MatcherThreads threads(hearing, 1, 4);
    for (uint32_t i = 0; i < 200; ++i) {
      for (uint16_t slot = 0; slot < 8; ++slot) {
        threads.on_items(upload_tag(0, 1, slot), 24 * i, kItems);
        if (i % 10 == 0) threads.on_view_items(upload_tag(0, 1, slot), -1, 24 * i, kItems);
        if (i == 100) threads.on_again(upload_tag(0, 1, slot));
      }
    }
    for (uint16_t slot = 0; slot < 8; ++slot) threads.on_end(upload_tag(0, 1, slot), {});
  }
  EXPECT_FALSE(hearing.two_at_once());
  std::vector<std::string> expected;
  for (uint32_t i = 0; i < 200; ++i) {
    expected.push_back("items " + std::to_string(24 * i) + "+24");
    if (i % 10 == 0) expected.push_back("probe -1 " + std::to_string(24 * i));
    if (i == 100) expected.push_back("again");
  }
  expected.push_back("end decoded");
  for (uint16_t slot = 0; slot < 8; ++slot) EXPECT_EQ(hearing.of(upload_tag(0, 1, slot)), expected);
}

TEST(MatcherThreads, ASlowUploadHoldsUpNoOther) {
  Hearing hearing;
  const uint64_t slow = upload_tag(0, 1, 5), quick = upload_tag(0, 1, 6);
  hearing.hold_up(slow);
  auto heard = hearing.await_end(quick);
  MatcherThreads threads(hearing, 1, 2);
  threads.on_items(slow, 0, kItems);
  for (uint32_t i = 0; i < 100; ++i) {
    threads.on_items(slow, 24 * i, kItems);
    threads.on_items(quick, 24 * i, kItems);
  }
  threads.on_end(quick, {});
  EXPECT_EQ(heard.wait_for(10s), std::future_status::ready);
  hearing.let_go();
}

TEST(MatcherThreads, WhoBringsTooMuchWaits) {
  Hearing hearing;
  const uint64_t slow = upload_tag(0, 1, 5);
  hearing.hold_up(slow);
  MatcherThreads threads(hearing, 1, 1, 100);
  std::atomic<int> brought = 0;
  std::thread bringer([&] {
    for (; brought < 50; ++brought) threads.on_items(slow, 0, kItems);
  });
  for (int tries = 0; tries < 200 && brought < 5; ++tries) std::this_thread::sleep_for(5ms);
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(brought, 5);  // 96 items wait, and the next 24 were let in
  hearing.let_go();
  bringer.join();
  EXPECT_EQ(brought, 50);
}

TEST(MatcherThreads, TagsOfNobodyAreDropped) {
  Hearing hearing;
  {
    MatcherThreads threads(hearing, 1, 1);
    threads.on_items(upload_tag(3, 1, 0), 0, kItems);
    threads.on_items(upload_tag(0, 1, 0xffff), 0, kItems);
  }
  EXPECT_TRUE(hearing.of(upload_tag(3, 1, 0)).empty());
}

}  // namespace
}  // namespace soundgate
