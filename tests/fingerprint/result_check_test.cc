// What a hostile worker may write, entry by entry and as a ring.

#include "fingerprint/decode/host/result_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "fingerprint/decode/host/results_reader.h"

namespace soundgate::decode {
namespace {

constexpr PerView<uint32_t> next_items(int step, uint32_t item, uint32_t plain_item) {
  PerView<uint32_t> next;
  next[step] = item;
  next[0] = plain_item;
  return next;
}

constexpr StreamProgress kStream = {.generation = 7,
                                    .probe_step_max = 2,
                                    .next_item = next_items(2, 300, 100),
                                    .items_max = 1000,
                                    .appended_bytes = 50'000,
                                    .consumed_bytes = 40'000};

ResultEntry entry(ResultKind kind) {
  ResultEntry entry{};
  entry.kind = kind;
  entry.generation = kStream.generation;
  entry.consumed_bytes = 45'000;
  entry.first_item = 100;
  if (kind == ResultKind::kItems) entry.item_count = 3;
  entry.read_blocks = 1;
  return entry;
}

ResultFault fault_of(const ResultEntry& entry) {
  const auto result = check_result(entry, kStream);
  EXPECT_FALSE(result);
  return result ? ResultFault::kOverrun : result.error();
}

TEST(ResultCheck, LetsItemsThrough) {
  ResultEntry items = entry(ResultKind::kItems);
  items.items[2] = 42;
  const auto result = check_result(items, kStream);
  ASSERT_TRUE(result);
  const auto& checked = std::get<ItemsResult>(*result);
  EXPECT_EQ(checked.first_item, 100u);
  ASSERT_EQ(checked.items.size(), 3u);
  EXPECT_EQ(checked.items[2], 42u);
}

TEST(ResultCheck, LetsJumpsForwardThrough) {
  ResultEntry items = entry(ResultKind::kItems);
  items.first_item = 500;
  EXPECT_TRUE(check_result(items, kStream));
}

TEST(ResultCheck, KnowsStreams) {
  ResultEntry items = entry(ResultKind::kItems);
  items.generation = 6;
  EXPECT_EQ(fault_of(items), ResultFault::kGeneration);
  EXPECT_EQ(check_result(entry(ResultKind::kItems), StreamProgress{}).error(),
            ResultFault::kGeneration);
  items.generation = 0;
  EXPECT_EQ(check_result(items, StreamProgress{}).error(), ResultFault::kGeneration);
}

TEST(ResultCheck, CountsItems) {
  ResultEntry items = entry(ResultKind::kItems);
  for (const uint32_t count : {0u, kItemsPerEntry + 1, std::numeric_limits<uint32_t>::max()}) {
    items.item_count = count;
    EXPECT_EQ(fault_of(items), ResultFault::kCount);
  }
}

TEST(ResultCheck, KeepsItemsInOrder) {
  ResultEntry items = entry(ResultKind::kItems);
  for (const uint32_t first : {0u, 99u, 998u, std::numeric_limits<uint32_t>::max()}) {
    items.first_item = first;
    EXPECT_EQ(fault_of(items), ResultFault::kOrder) << first;
  }
}

TEST(ResultCheck, LetsProbeItemsThrough) {
  ResultEntry items = entry(ResultKind::kItems);
  for (const int step : {-2, -1, 1}) {
    for (const Band band : kProbedBands) {
      items.view = view_of(step, band);
      items.first_item = 0;  // whatever came of the plain ones
      const auto result = check_result(items, kStream);
      ASSERT_TRUE(result) << step;
      EXPECT_EQ(std::get<ItemsResult>(*result).view, view_of(step, band));
    }
  }
}

TEST(ResultCheck, LetsAWorkerProbeOnlyWhatItWasAskedTo) {
  ResultEntry items = entry(ResultKind::kItems);
  constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
  for (const int32_t view :
       {3, -3, 10, -11, 13, view_of(3, Band::kTreble), view_of(1, Band::kBass), kViewMin - 1,
        kViewMax + 1, kMax, std::numeric_limits<int32_t>::min()}) {
    items.view = view;
    EXPECT_EQ(fault_of(items), ResultFault::kView) << view;
  }
  StreamProgress unprobed = kStream;
  unprobed.probe_step_max = 0;
  items.view = 1;
  EXPECT_EQ(check_result(items, unprobed).error(), ResultFault::kView);
}

TEST(ResultCheck, LetsBandsThrough) {
  ResultEntry items = entry(ResultKind::kItems);
  StreamProgress unprobed = kStream;
  unprobed.probe_step_max = 0;
  for (const Band band : {Band::kBass, Band::kTreble}) {
    items.view = view_of(band);
    items.first_item = 997;
    const auto result = check_result(items, unprobed);
    ASSERT_TRUE(result);
    EXPECT_EQ(std::get<ItemsResult>(*result).view, view_of(band));
    items.first_item = 998;  // as many as there are plain ones
    EXPECT_EQ(check_result(items, unprobed).error(), ResultFault::kOrder);
  }
}

TEST(ResultCheck, KeepsEachProbeInOrder) {
  ResultEntry items = entry(ResultKind::kItems);
  items.view = 2;
  for (const uint32_t first : {0u, 100u, 299u, std::numeric_limits<uint32_t>::max()}) {
    items.first_item = first;
    EXPECT_EQ(fault_of(items), ResultFault::kOrder) << first;
  }
  items.first_item = 300;
  EXPECT_TRUE(check_result(items, kStream));
}

// 1000 plain items are 1060.9 of a probe that stretches them by 1.03^2, 942.6 the other way.
TEST(ResultCheck, KnowsHowManyItemsAProbeCanHave) {
  ResultEntry items = entry(ResultKind::kItems);
  for (const auto& [step, most] : {std::pair(2, 1061u), std::pair(-2, 943u)}) {
    items.view = step;
    items.first_item = most - items.item_count;
    EXPECT_TRUE(check_result(items, kStream)) << step;
    ++items.first_item;
    EXPECT_EQ(fault_of(items), ResultFault::kOrder) << step;
  }
}

TEST(ResultCheck, KnowsHowMuchThereIsToConsume) {
  ResultEntry progress = entry(ResultKind::kProgress);
  EXPECT_TRUE(check_result(progress, kStream));
  for (const uint64_t consumed :
       {uint64_t{0}, uint64_t{39'999}, uint64_t{50'001}, std::numeric_limits<uint64_t>::max()}) {
    progress.consumed_bytes = consumed;
    EXPECT_EQ(fault_of(progress), ResultFault::kConsumed);
  }
  progress.consumed_bytes = kStream.consumed_bytes;  // progress that is none
  EXPECT_EQ(fault_of(progress), ResultFault::kConsumed);
}

TEST(ResultCheck, KnowsKinds) {
  for (const uint32_t kind : {0u, 7u, std::numeric_limits<uint32_t>::max()}) {
    EXPECT_EQ(fault_of(entry(static_cast<ResultKind>(kind))), ResultFault::kKind);
  }
}

class PacketsCheck : public testing::Test {
 protected:
  static ResultEntry packets(ResultKind kind, uint32_t checkpoint) {
    ResultEntry packets = entry(kind);
    packets.packets = {.checkpoint = checkpoint,
                       .reserved = 0,
                       .digest = {1, 2},
                       .promised_seconds = 30,
                       .format = "mp3"};
    return packets;
  }
  ResultEntry asked(uint32_t checkpoint) { return packets(ResultKind::kPacketsAsked, checkpoint); }
  ResultEntry said(uint32_t checkpoint) { return packets(ResultKind::kPacketsSaid, checkpoint); }
  bool passes(const ResultEntry& entry) {
    const auto result = check_result(entry, stream_);
    EXPECT_EQ(result ? ResultFault::kPackets : result.error(), ResultFault::kPackets);
    return result.has_value();
  }

  StreamProgress stream_{.generation = kStream.generation,
                         .items_max = 1000,
                         .appended_bytes = 50'000,
                         .remembers_packets = true};
};

TEST_F(PacketsCheck, TakesCopies) {
  const auto result = check_result(asked(0), stream_);
  ASSERT_TRUE(result);
  const auto& packets = std::get<PacketsResult>(*result);
  EXPECT_TRUE(packets.is_asked);
  EXPECT_EQ(packets.digest, (exact::Digest{1, 2}));
  EXPECT_STREQ(packets.format.data(), "mp3");
  EXPECT_FALSE(std::get<PacketsResult>(*check_result(said(0), stream_)).is_asked);
}

TEST_F(PacketsCheck, WantsThemToBeWanted) {
  stream_.remembers_packets = false;
  EXPECT_FALSE(passes(asked(0)));
  EXPECT_FALSE(passes(said(0)));
}

TEST_F(PacketsCheck, WantsQuestionsInOrderAndBeforeAnythingElse) {
  EXPECT_TRUE(passes(asked(2)));
  stream_.next_packets_asked = 2;
  EXPECT_TRUE(passes(asked(2)));
  EXPECT_FALSE(passes(asked(1)));
  stream_.next_packets_said = 1;
  EXPECT_FALSE(passes(asked(2)));
  stream_.next_packets_said = 0;
  stream_.next_item[view_of(Band::kBass)] = 1;
  EXPECT_FALSE(passes(asked(2)));
}

TEST_F(PacketsCheck, WantsEachToBeSaidOnceAndInOrder) {
  EXPECT_TRUE(passes(said(0)));
  EXPECT_FALSE(passes(said(1)));
  stream_.next_packets_said = 1;
  EXPECT_FALSE(passes(said(0)));
  EXPECT_TRUE(passes(said(1)));
  stream_.is_finished = true;
  EXPECT_TRUE(passes(said(kAllPackets)));
  stream_.next_packets_said = kAllPackets + 1;
  EXPECT_FALSE(passes(said(kAllPackets)));
  EXPECT_FALSE(passes(said(kAllPackets + 1)));
  EXPECT_FALSE(passes(asked(kAllPackets + 1)));
  EXPECT_FALSE(passes(asked(std::numeric_limits<uint32_t>::max())));
}

TEST_F(PacketsCheck, WantsThemToBeThere) {
  EXPECT_TRUE(passes(asked(3)));   // 32 KiB
  EXPECT_FALSE(passes(asked(4)));  // 64 KiB
  EXPECT_FALSE(passes(asked(kAllPackets)));
  stream_.is_finished = true;
  EXPECT_TRUE(passes(asked(kAllPackets)));
  ResultEntry timeless = asked(0);
  timeless.packets.promised_seconds = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(check_result(timeless, stream_).error(), ResultFault::kSeconds);
}

TEST(ResultCheck, LetsAWorkerSayOnlyWhatItCanKnow) {
  ResultEntry ended = entry(ResultKind::kEnded);
  EXPECT_TRUE(check_result(ended, kStream));
  for (const DecodeOutcome outcome : {DecodeOutcome::decoder_crash, DecodeOutcome::decoder_timeout,
                                      DecodeOutcome::decoder_overload}) {
    ended.end.outcome = static_cast<uint32_t>(outcome);
    EXPECT_EQ(fault_of(ended), ResultFault::kOutcome);
  }
  ended.end.outcome = 1000;
  EXPECT_EQ(fault_of(ended), ResultFault::kOutcome);
}

TEST(ResultCheck, KnowsTimes) {
  for (const double seconds : {-1.0, 1e30, std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::quiet_NaN()}) {
    ResultEntry ended = entry(ResultKind::kEnded);
    ended.end.decoded_seconds = seconds;
    EXPECT_EQ(fault_of(ended), ResultFault::kSeconds);
    ended = entry(ResultKind::kEnded);
    ended.end.duration_seconds = seconds;
    EXPECT_EQ(fault_of(ended), ResultFault::kSeconds);
    ended = entry(ResultKind::kEnded);
    ended.end.gap_seconds = seconds;
    EXPECT_EQ(fault_of(ended), ResultFault::kSeconds);
  }
}

TEST(ResultCheck, KnowsThatItemsComeOfSomething) {
  ResultEntry items = entry(ResultKind::kItems);
  items.read_blocks = 0;
  EXPECT_EQ(fault_of(items), ResultFault::kConsumed);
}

TEST(ResultCheck, KnowsThatWhatWasReadStaysRead) {
  StreamProgress stream = kStream;
  stream.read_blocks = 5;
  ResultEntry items = entry(ResultKind::kItems);
  for (const uint16_t read : {uint16_t{5}, uint16_t{6}, kReadAll}) {
    items.read_blocks = read;
    EXPECT_TRUE(check_result(items, stream)) << read;
  }
  for (const uint16_t read : {uint16_t{1}, uint16_t{4}}) {
    items.read_blocks = read;
    EXPECT_EQ(check_result(items, stream).error(), ResultFault::kConsumed) << read;
  }
}

TEST(ResultCheck, LetsAWorkerBeginAgainOnlyWhereItWasAskedTo) {
  const ResultEntry again = entry(ResultKind::kAgain);
  EXPECT_EQ(fault_of(again), ResultFault::kAgain);
  StreamProgress asked = kStream;
  asked.may_begin_again = true;
  EXPECT_EQ(check_result(again, asked).error(), ResultFault::kAgain);  // it is whole
  asked.is_sparse = true;
  EXPECT_TRUE(check_result(again, asked));
  asked.may_begin_again = false;
  EXPECT_EQ(check_result(again, asked).error(), ResultFault::kAgain);
}

TEST(ResultCheck, LetsAWorkerSkipOnlyWhereItMay) {
  ResultEntry ended = entry(ResultKind::kEnded);
  ended.end.skipped_seconds = 30;
  EXPECT_EQ(fault_of(ended), ResultFault::kSeconds);
  StreamProgress sparse = kStream;
  sparse.is_sparse = true;
  EXPECT_TRUE(check_result(ended, sparse));
  ended.end.skipped_seconds = -1;
  EXPECT_FALSE(check_result(ended, sparse));
}

TEST(ResultCheck, TakesNamesOnlyAsFarAsTheyAreNames) {
  ResultEntry ended = entry(ResultKind::kEnded);
  std::memcpy(ended.end.format, "mp3\x1b[2J", 8);
  std::memset(ended.end.codec, 'a', sizeof ended.end.codec);  // no end
  const auto end = std::get<DecodeEnd>(*check_result(ended, kStream));
  EXPECT_STREQ(end.format, "mp3");
  EXPECT_EQ(std::strlen(end.codec), sizeof end.codec - 1);
}

class Ring : public testing::Test {
 protected:
  // Shared memory is zeroed, and aligned to pages.
  struct alignas(4096) Memory {
    std::byte bytes[kResultsBytes] = {};
  };
  std::byte* memory() { return memory_->bytes; }

  std::unique_ptr<Memory> memory_ = std::make_unique<Memory>();
  ResultsReader reader_{memory_->bytes};
};

TEST_F(Ring, HandsOverWhatWasWritten) {
  EXPECT_EQ(reader_.waiting().value(), 0u);
  result_entry(memory(), 0).first_item = 11;
  result_entry(memory(), 1).first_item = 22;
  results_header(memory()).written.store(2);
  EXPECT_EQ(reader_.waiting().value(), 2u);
  EXPECT_EQ(reader_.take().first_item, 11u);
  EXPECT_EQ(reader_.take().first_item, 22u);
  EXPECT_EQ(reader_.waiting().value(), 0u);
}

TEST_F(Ring, DoesNotBelieveMoreThanFits) {
  results_header(memory()).written.store(kResultEntries);
  EXPECT_TRUE(reader_.waiting());
  results_header(memory()).written.store(kResultEntries + 1);
  EXPECT_EQ(reader_.waiting().error(), ResultFault::kOverrun);
  results_header(memory()).written.store(std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(reader_.waiting().error(), ResultFault::kOverrun);
}

TEST_F(Ring, DoesNotBelieveThatTimeGoesBack) {
  results_header(memory()).written.store(5);
  reader_.take();
  results_header(memory()).written.store(0);
  EXPECT_EQ(reader_.waiting().error(), ResultFault::kOverrun);
}

// A writer that changes entries while they are read: whatever is copied is checked as it was
// copied.
TEST_F(Ring, ChecksTheCopyThatItUses) {
  std::atomic<bool> stop{false};
  std::thread hostile([&] {
    std::mt19937 random(3);
    while (!stop) {
      auto* words = reinterpret_cast<uint64_t*>(memory() + sizeof(ResultsHeader));
      for (size_t i = 0; i < sizeof(ResultEntry) / sizeof(uint64_t); ++i) {
        const uint64_t value = random() % 8;
        std::atomic_ref(words[i]).store(value | value << 32, std::memory_order_relaxed);
      }
    }
  });
  for (int i = 0; i < 50'000; ++i) {
    ResultsReader reader(memory());
    const ResultEntry copy = reader.take();
    const auto result = check_result(copy, kStream);
    if (!result) continue;
    if (const auto* items = std::get_if<ItemsResult>(&*result)) {
      EXPECT_GE(items->first_item, kStream.next_item[items->view]);
      EXPECT_LE(items->items.size(), kItemsPerEntry);
    }
  }
  stop = true;
  hostile.join();
}

}  // namespace
}  // namespace soundgate::decode
