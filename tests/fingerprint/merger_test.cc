// What several workers say of one upload, put together.

#include "fingerprint/decode/host/merger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace soundgate::decode {
namespace {

constexpr uint64_t kUpload = 9, kTag = 77;
constexpr uint32_t kTurn = kDivisionItems;
constexpr Division kFirst{.index = 0, .count = 2}, kSecond{.index = 1, .count = 2};

class Listener : public DecodeListener {
 public:
  void on_items(uint64_t tag, uint32_t first_item, std::span<const Item> items) override {
    on_view_items(tag, kPlainView, first_item, items);
  }
  void on_view_items(uint64_t tag, int view, uint32_t first_item,
                     std::span<const Item> items) override {
    EXPECT_EQ(tag, kTag);
    for (size_t i = 0; i < items.size(); ++i) {
      const auto index = first_item + static_cast<uint32_t>(i);
      EXPECT_EQ(items[i] % 100'000, index) << "an item at another's place";
      heard[view].push_back(items[i]);
    }
    EXPECT_LE(heard[view].size(), heard[kPlainView].size()) << "bands come after the plain ones";
  }
  void on_end(uint64_t tag, const DecodeEnd& how) override {
    EXPECT_EQ(tag, kTag);
    ends.push_back(how);
  }

  std::map<int, std::vector<Item>> heard;
  std::vector<DecodeEnd> ends;
};

class MergerTest : public testing::Test {
 protected:
  // Items of [first, end), each with its index and who says it in it.
  void say(const Division& part, uint32_t first, uint32_t end, bool all_bands = false) {
    std::vector<Item> items(end - first);
    std::iota(items.begin(), items.end(), first + 100'000 * part.index);
    for (const Band band : kAllBands) {
      if (band == Band::kFull || all_bands) {
        merger_.on_items(kUpload, part, view_of(band), first, items);
      }
    }
  }
  void end(const Division& part, double decoded, double skipped,
           DecodeOutcome outcome = DecodeOutcome::decoded, double gap = 0) {
    merger_.on_end(kUpload, part,
                   {.outcome = outcome,
                    .decoded_seconds = decoded,
                    .gap_seconds = gap,
                    .skipped_seconds = skipped,
                    .duration_seconds = decoded + skipped + gap,
                    .format = "mp3",
                    .codec = "mp3float"});
  }
  size_t heard() { return listener_.heard[kPlainView].size(); }

  Listener listener_;
  Merger merger_{listener_};
};

TEST_F(MergerTest, TellsEachTurnAsItsWorkerSaysIt) {
  merger_.begin(kUpload, kFirst, kTag, {});
  say(kSecond, kTurn, 2 * kTurn + 1, true);  // one too many
  EXPECT_EQ(heard(), 0u);
  say(kFirst, 0, 100, true);
  EXPECT_EQ(heard(), 100u);
  say(kFirst, 100, kTurn + 2, true);
  EXPECT_EQ(heard(), 2 * kTurn);
  say(kFirst, 2 * kTurn, 2 * kTurn + 10, true);
  EXPECT_EQ(heard(), 2 * kTurn + 10);
  for (const Band band : kAllBands) EXPECT_EQ(listener_.heard[view_of(band)].size(), heard());
  const std::vector<Item>& items = listener_.heard[kPlainView];
  EXPECT_EQ(items[kTurn - 1] / 100'000, 0u);
  EXPECT_EQ(items[kTurn] / 100'000, 1u);
  EXPECT_EQ(items[2 * kTurn] / 100'000, 0u);
}

TEST_F(MergerTest, WaitsForWhereToBegin) {
  say(kSecond, kTurn, kTurn + 20);
  merger_.begin(kUpload, kFirst, kTag, {kTurn + 5, kTurn + 5, kTurn + 5});
  say(kFirst, kTurn + 5, kTurn + 9);  // said before it knew
  EXPECT_EQ(heard(), 15u);
  EXPECT_EQ(listener_.heard[kPlainView].front() % 100'000, kTurn + 5);
}

TEST_F(MergerTest, CountsWhatIsMissing) {
  merger_.begin(kUpload, kFirst, kTag, {});
  say(kFirst, 0, 100);
  say(kFirst, 150, kTurn);
  say(kSecond, kTurn, kTurn + 300);
  end(kFirst, 60, 40);
  EXPECT_TRUE(listener_.ends.empty());
  end(kSecond, 40, 60);
  ASSERT_EQ(listener_.ends.size(), 1u);
  const DecodeEnd& end = listener_.ends[0];
  EXPECT_EQ(end.outcome, DecodeOutcome::decoded);
  EXPECT_NEAR(end.gap_seconds, 50 * kItemSeconds, 1e-9);
  EXPECT_NEAR(end.decoded_seconds, 100 - 50 * kItemSeconds, 1e-9);
  EXPECT_EQ(end.skipped_seconds, 0);
  EXPECT_EQ(end.duration_seconds, 100);
  EXPECT_STREQ(end.format, "mp3");
}

TEST_F(MergerTest, GoesOnWithoutAWorker) {
  merger_.begin(kUpload, kFirst, kTag, {});
  say(kFirst, 0, 10);
  say(kSecond, kTurn, 2 * kTurn);
  EXPECT_EQ(heard(), 10u);
  end(kFirst, 1, 0, DecodeOutcome::decoder_crash);
  EXPECT_EQ(heard(), 10 + kTurn);
  say(kSecond, 3 * kTurn, 3 * kTurn + 5);
  EXPECT_EQ(heard(), 15 + kTurn);
  end(kSecond, 120, 100);
  ASSERT_EQ(listener_.ends.size(), 1u);
  EXPECT_EQ(listener_.ends[0].outcome, DecodeOutcome::decoder_crash);
  EXPECT_GT(listener_.ends[0].gap_seconds, 100);
}

TEST_F(MergerTest, EndsAsTheWorstOfItsParts) {
  merger_.begin(kUpload, kFirst, kTag, {});
  say(kFirst, 0, 10);
  end(kFirst, 100, 100);
  end(kSecond, 100, 90, DecodeOutcome::damaged, 10);
  ASSERT_EQ(listener_.ends.size(), 1u);
  EXPECT_EQ(listener_.ends[0].outcome, DecodeOutcome::damaged);
}

TEST_F(MergerTest, SaysNothingOfWhatIsCancelled) {
  merger_.begin(kUpload, kFirst, kTag, {});
  merger_.on_cancelled(kUpload, kFirst);
  say(kSecond, kTurn, 2 * kTurn);
  merger_.on_cancelled(kUpload, kSecond);
  EXPECT_EQ(heard(), 0u);
  EXPECT_TRUE(listener_.ends.empty());
}

TEST_F(MergerTest, EndsAsLostWithoutAHelper) {
  merger_.begin(kUpload, kFirst, kTag, {});
  say(kFirst, 0, kTurn);
  merger_.on_cancelled(kUpload, kSecond);
  say(kFirst, 2 * kTurn, 3 * kTurn);
  EXPECT_EQ(heard(), 2 * kTurn);
  end(kFirst, 2 * kTurn * kItemSeconds, kTurn * kItemSeconds);
  ASSERT_EQ(listener_.ends.size(), 1u);
  EXPECT_EQ(listener_.ends[0].outcome, DecodeOutcome::decoder_lost);
  EXPECT_NEAR(listener_.ends[0].gap_seconds, kTurn * kItemSeconds, 1e-9);
}

}  // namespace
}  // namespace soundgate::decode
