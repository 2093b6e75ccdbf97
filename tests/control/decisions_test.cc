#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "control/decisions/decision_store.h"
#include "control/decisions/upload_id.h"
#include "control/limits.h"
#include "control/text.h"

namespace soundgate {
namespace {

using testing::ElementsAre;

class DecisionStoreTest : public testing::Test {
 protected:
  DecisionStoreTest() {
    std::filesystem::create_directories(folder_);
    open();
  }
  ~DecisionStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void open() {
    store_.reset();
    auto store = DecisionStore::open(folder_);
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }
  static DecisionRow row(const std::string& id, double time,
                         VerdictKind verdict = VerdictKind::kPass, size_t items = 0) {
    DecisionRow row;
    row.upload_id = id;
    row.time = from_epoch_seconds(time);
    row.verdict = verdict;
    row.checked = Checked::kFull;
    row.request_id = "request-" + id;
    row.json = "{\"id\":\"" + id + "\"}";
    row.fingerprint.duration_seconds = 12;
    row.fingerprint.items.assign(items, 0xabcd1234);
    return row;
  }
  void write(const DecisionRow& row) { ASSERT_TRUE(store_->write({&row, 1})); }
  std::vector<std::string> list(const DecisionFilter& filter) {
    return store_->page(filter).value().rows;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("decisions_test_" + std::to_string(getpid()));
  std::unique_ptr<DecisionStore> store_;
};

TEST_F(DecisionStoreTest, ListsTheNewestWithTheNewestLast) {
  for (const char* id : {"c", "a", "b"}) write(row(id, 100.0 + id[0]));
  EXPECT_THAT(list({}), ElementsAre(R"({"id":"a"})", R"({"id":"b"})", R"({"id":"c"})"));
  EXPECT_THAT(list({.limit = 2}), ElementsAre(R"({"id":"b"})", R"({"id":"c"})"));
}

TEST_F(DecisionStoreTest, KeepsTheItemsOfAllBands) {
  DecisionRow banded = row("banded", 100, VerdictKind::kPass, 4);
  banded.fingerprint.bass = {1, 2, 3, 4};
  banded.fingerprint.treble = {5, 6, 7, 8};
  write(banded);
  const Fingerprint fingerprint = store_->fingerprint("banded").value();
  EXPECT_EQ(fingerprint.items, std::vector<Item>(4, 0xabcd1234));
  EXPECT_EQ(fingerprint.bass, banded.fingerprint.bass);
  EXPECT_EQ(fingerprint.treble, banded.fingerprint.treble);
}

TEST_F(DecisionStoreTest, ManyComeInPages) {
  for (const char* id : {"a", "b", "c", "d", "e"}) {
    DecisionRow big = row(id, 100.0 + id[0]);
    big.json = std::string(kDecisionsPageBytes / 2, id[0]);
    write(big);
  }
  std::string seen;
  DecisionFilter filter{.limit = 4};
  for (int pages = 0; pages < 5; ++pages) {
    const DecisionPage page = store_->page(filter).value();
    for (const std::string& json : page.rows) seen += json[0];
    EXPECT_LE(page.rows.size(), 2u);
    if (page.next.empty()) break;
    filter.limit -= static_cast<int>(page.rows.size());
    filter.after = page.next;
  }
  EXPECT_EQ(seen, "bcde");
  EXPECT_EQ(store_->page({.after = "nope"}).error().code, ErrorCode::kNotFound);
}

TEST_F(DecisionStoreTest, Filters) {
  write(row("a", 100, VerdictKind::kBlock));
  write(row("b", 200));
  EXPECT_THAT(list({.verdict = VerdictKind::kBlock}), ElementsAre(R"({"id":"a"})"));
  EXPECT_THAT(list({.since = from_epoch_seconds(150)}), ElementsAre(R"({"id":"b"})"));
  EXPECT_THAT(list({.request_id = "request-a"}), ElementsAre(R"({"id":"a"})"));
  EXPECT_THAT(list({.checked = Checked::kNone}), ElementsAre());
}

TEST_F(DecisionStoreTest, SurvivesAReopenAndCountsOnce) {
  write(row("a", 100, VerdictKind::kBlock, 10));
  write(row("a", 100, VerdictKind::kBlock, 10));  // late evidence replaces the row
  open();
  EXPECT_EQ(store_->counts().all, 1);
  EXPECT_EQ(store_->counts().block, 1);
  EXPECT_EQ(store_->json("a").value(), R"({"id":"a"})");
  const Fingerprint fingerprint = store_->fingerprint("a").value();
  EXPECT_EQ(fingerprint.items, std::vector<Item>(10, 0xabcd1234));
  EXPECT_EQ(fingerprint.duration_seconds, 12);
}

TEST_F(DecisionStoreTest, SaysWhatIsNotThere) {
  EXPECT_EQ(store_->json("nope").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store_->fingerprint("nope").error().code, ErrorCode::kNotFound);
  write(row("bare", 100));
  EXPECT_EQ(store_->fingerprint("bare").error().code, ErrorCode::kNotFound);
}

TEST_F(DecisionStoreTest, ForgetsItemsByAgeThenBySize) {
  for (int i = 0; i < 5; ++i)
    write(row(std::string(1, static_cast<char>('a' + i)), 100 + i, {}, 100));
  ASSERT_TRUE(store_->prune_items(from_epoch_seconds(101), 1 << 20));
  EXPECT_FALSE(store_->fingerprint("a"));
  EXPECT_TRUE(store_->fingerprint("b"));
  ASSERT_TRUE(store_->prune_items({}, 2 * 400));  // two of 100 items of 4 bytes
  EXPECT_FALSE(store_->fingerprint("c"));
  EXPECT_TRUE(store_->fingerprint("d"));
  EXPECT_TRUE(store_->fingerprint("e"));
  EXPECT_EQ(store_->counts().all, 5);  // decisions stay
}

TEST_F(DecisionStoreTest, RemembersTheMode) {
  EXPECT_FALSE(store_->mode().value());
  ASSERT_TRUE(store_->set_mode({Mode::kEnforce, from_epoch_seconds(5), "root", "go"}));
  open();
  const auto mode = store_->mode().value();
  ASSERT_TRUE(mode);
  EXPECT_EQ(mode->mode, Mode::kEnforce);
  EXPECT_EQ(mode->reason, "go");
}

TEST(DecisionStore, AFolderThatIsNotThere) {
  EXPECT_EQ(DecisionStore::open("/nonexistent").error().code, ErrorCode::kInternal);
}

TEST(UploadId, SortsByTimeAndNeverRepeats) {
  UploadIdMaker maker(1);
  std::set<std::string> ids;
  for (int i = 0; i < 10000; ++i) ids.insert(maker.make(from_epoch_seconds(1000)).data());
  EXPECT_EQ(ids.size(), 10000u);
  EXPECT_LT(*ids.rbegin(), std::string(maker.make(from_epoch_seconds(1000.001)).data()));
  EXPECT_EQ(ids.begin()->size(), kUploadIdBytes);
}

}  // namespace
}  // namespace soundgate
