// A store's segment files: written behind the writers' backs, used when it opens, made again where
// they are damaged, lost, or of another catalogue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "index/index_loader.h"
#include "index/search/merge_plan.h"
#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

// 13 references of 3 hours: more windows than stay in memory.
constexpr uint64_t kReferences = 13;
constexpr double kHours = 3 * 3;

std::vector<fs::path> segment_files(const fs::path& store) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(store / "segments")) {
    if (entry.path().extension() == ".segment") files.push_back(entry.path());
  }
  return files;
}

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 600; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return false;
}

class SegmentFiles : public testing::Test {
 protected:
  // Made once: it takes seconds.
  static void SetUpTestSuite() {
    made_ = std::make_unique<test::ScratchDirectory>();
    for (uint64_t i = 0; i < kReferences; ++i) {
      tracks_.push_back(test::make_track(i, kHours * 3600));
    }
    const auto index = test::open_index(made_->path());
    test::value_of(index->create_bank(test::bank_named("spam")));
    for (uint64_t i = 0; i < kReferences; ++i) {
      test::value_of(index->enroll(test::request_of(std::to_string(i), tracks_[i])));
    }
    ASSERT_GE(index->status().window_count, static_cast<int64_t>(kSealWindows));
    ASSERT_TRUE(soon([] { return !segment_files(made_->path()).empty(); }));
    expect_all_found(*index);
  }
  static void TearDownTestSuite() {
    made_.reset();
    tracks_.clear();
  }
  void SetUp() override {
    fs::copy(made_->path(), store(), fs::copy_options::recursive);
    fs::remove(store() / "lock");
  }

  fs::path store() const { return scratch_.path() / "store"; }
  static std::vector<Item> excerpt(uint64_t track, size_t first = 5003) {
    return test::with_errors(test::slice(tracks_[track], first, 240), 0.1);
  }
  static void expect_found(const Index& index, uint64_t track) {
    const auto matches = test::match_all(index, excerpt(track));
    ASSERT_EQ(matches.size(), 1U) << track;
    EXPECT_EQ(matches[0].content_id, std::to_string(track));
    EXPECT_NEAR(matches[0].segments[0].asset_start, 5003 * kItemSeconds, 1);
  }
  static void expect_all_found(const Index& index) {
    for (uint64_t i = 0; i < kReferences; ++i) expect_found(index, i);
  }

  static inline std::unique_ptr<test::ScratchDirectory> made_;
  static inline std::vector<std::vector<Item>> tracks_;
  test::ScratchDirectory scratch_;
};

TEST_F(SegmentFiles, AreUsedWhenTheStoreOpens) {
  const auto index = test::open_index(store());
  EXPECT_EQ(index->status().reference_count, static_cast<int64_t>(kReferences));
  EXPECT_THAT(index->status().complaints, testing::IsEmpty());
  EXPECT_NEAR(test::value_of(index->reference("spam", "3")).indexed_seconds, kHours * 3600, 60);
  expect_all_found(*index);
}

TEST_F(SegmentFiles, WhatIsRemovedOrSuppressedIsGoneAtOnceAndAfterwards) {
  {
    const auto index = test::open_index(store());
    test::value_of(index->remove("spam", "3"));
    test::value_of(index->suppress("spam", "4", {"mistake", std::nullopt}));
    EXPECT_TRUE(test::match_all(*index, excerpt(3)).empty());
    EXPECT_TRUE(test::match_all(*index, excerpt(4)).empty());
    test::value_of(index->enroll(test::request_of("new", test::make_track(99, 60))));
  }
  const auto index = test::open_index(store());
  EXPECT_TRUE(test::match_all(*index, excerpt(3)).empty());
  EXPECT_TRUE(test::match_all(*index, excerpt(4)).empty());
  EXPECT_EQ(test::match_all(*index, test::make_track(99, 60)).size(), 1U);
  expect_found(*index, 5);
}

TEST_F(SegmentFiles, LostOnesAreMadeAgain) {
  fs::remove_all(store() / "segments");
  const auto index = test::open_index(store());
  EXPECT_THAT(index->status().complaints, ElementsAre(HasSubstr("13 references were in no")));
  expect_all_found(*index);
  EXPECT_TRUE(soon([&] { return !segment_files(store()).empty(); }));
}

// A large store that has lost its files does not need the memory of all its windows.
TEST_F(SegmentFiles, AreWrittenOnTheWayWhereManyAreMadeAgain) {
  constexpr size_t kWindowsMax = 30'000;
  fs::remove_all(store() / "segments");
  const auto catalogue = test::value_of(Catalogue::open(store(), {.owner = "test"}));
  const auto reader = test::value_of(ItemsReader::open(catalogue->path()));
  SegmentStore files(store() / "segments");
  auto loaded =
      test::value_of(IndexLoader(*catalogue, *reader, nullptr, files, kWindowsMax, 1).load());
  size_t in_memory = 0;
  int64_t windows = 0;
  for (const auto& segment : loaded.snapshot->segments) {
    windows += static_cast<int64_t>(segment->window_count());
    if (!segment->is_file()) in_memory += segment->window_count();
  }
  EXPECT_LT(in_memory, kWindowsMax);
  EXPECT_GE(segment_files(store()).size(), 3U);
  EXPECT_EQ(windows, loaded.snapshot->status.window_count);
  EXPECT_THAT(loaded.complaints, ElementsAre(HasSubstr("13 references were in no")));
}

TEST_F(SegmentFiles, OneWithADamagedHeaderIsReportedAndMadeAgain) {
  std::fstream(segment_files(store())[0], std::ios::in | std::ios::out | std::ios::binary).seekp(40)
      << 'x';
  const auto index = test::open_index(store());
  ASSERT_FALSE(index->status().complaints.empty());
  EXPECT_THAT(index->status().complaints[0], HasSubstr("is damaged"));
  expect_all_found(*index);
}

TEST_F(SegmentFiles, OneThatWasTruncatedIsReportedAndMadeAgain) {
  const fs::path path = segment_files(store())[0];
  fs::resize_file(path, fs::file_size(path) - 4096);
  const auto index = test::open_index(store());
  ASSERT_FALSE(index->status().complaints.empty());
  EXPECT_THAT(index->status().complaints[0], HasSubstr("is damaged: its size is another"));
  EXPECT_EQ(index->status().complaint_count,
            static_cast<int64_t>(index->status().complaints.size()));
  expect_all_found(*index);
}

// One bit anywhere among the windows: what is read there is passed over, and found once more later.
TEST_F(SegmentFiles, AFlippedBitIsMetReportedAndMadeAgain) {
  const fs::path path = segment_files(store())[0];
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(fs::file_size(path) / 2);
  file.seekg(middle);
  const int byte = file.get();
  file.seekp(middle);
  file.put(static_cast<char>(byte ^ 1));
  file.close();
  const auto index = test::open_index(store());
  EXPECT_TRUE(soon([&] {  // until a search has come by
    for (uint64_t i = 0; i < kReferences; ++i)
      test::match_all(*index, test::slice(tracks_[i], 0, 8000));
    return index->status().complaint_count > 0;
  }));
  EXPECT_THAT(index->status().complaints.at(0), HasSubstr("made again of the catalogue"));
  EXPECT_TRUE(soon([&] { return !fs::exists(path); }));
  expect_all_found(*index);
}

TEST_F(SegmentFiles, OneThatCannotBeWrittenIsReported) {
  fs::remove_all(store() / "segments");
  fs::create_directories(store() / "segments" / "1.segment.new" / "in the way");
  const auto index = test::open_index(store());
  EXPECT_TRUE(soon([&] { return index->status().complaint_count > 1; }));
  EXPECT_THAT(index->status().complaints.back(), HasSubstr("cannot make"));
  expect_all_found(*index);
}

TEST_F(SegmentFiles, DamageMetBySearchIsReportedAndMadeAgain) {
  for (const fs::path& path : segment_files(store())) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto bytes = static_cast<std::streamoff>(fs::file_size(path));
    for (std::streamoff at = bytes / 4; at < bytes; at += 4096) {
      file.seekp(at);
      file << "xxxxxxxx";
    }
  }
  const auto index = test::open_index(store());
  EXPECT_TRUE(index->status().complaints.empty());
  for (uint64_t i = 0; i < kReferences; ++i) test::match_all(*index, excerpt(i));
  EXPECT_TRUE(soon([&] { return test::match_all(*index, excerpt(7)).size() == 1; }));
  EXPECT_THAT(index->status().complaints.at(0), HasSubstr("made again of the catalogue"));
  expect_all_found(*index);
}

// As after a restore of an older backup: numbers are given to other references.
TEST_F(SegmentFiles, ThoseOfAnotherCatalogueAreMadeAgain) {
  {
    test::ScratchDirectory other;
    const auto index = test::open_index(other.path());
    test::value_of(index->create_bank(test::bank_named("spam")));
    for (uint64_t i = 0; i < kReferences; ++i) {
      test::value_of(
          index->enroll(test::request_of(std::to_string(i), test::make_track(50 + i, 60))));
    }
    fs::remove_all(other.path() / "segments");
    fs::copy(store() / "segments", other.path() / "segments");
    fs::remove_all(store());
    fs::copy(other.path(), store(), fs::copy_options::recursive);
    fs::remove(store() / "lock");
  }
  const auto index = test::open_index(store());
  EXPECT_THAT(index->status().complaints.at(0), HasSubstr("another catalogue"));
  for (uint64_t i = 0; i < kReferences; ++i) {
    const auto matches = test::match_all(*index, test::make_track(50 + i, 60));
    ASSERT_EQ(matches.size(), 1U);
    EXPECT_EQ(matches[0].content_id, std::to_string(i));
    EXPECT_TRUE(test::match_all(*index, excerpt(i)).empty());
  }
}

TEST_F(SegmentFiles, ThoseCutShortByAKillAreRemoved) {
  std::ofstream(store() / "segments" / "77.segment.new") << "half of it";
  const auto index = test::open_index(store());
  EXPECT_FALSE(fs::exists(store() / "segments" / "77.segment.new"));
  expect_found(*index, 0);
}

}  // namespace
}  // namespace soundgate
