// Files that can be read whatever ends their writing.
#include "control/cli/whole_blocks.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

namespace soundgate {
namespace {

using Blocks = std::vector<std::byte>;

void add_block(Blocks& blocks, uint32_t bytes) {
  const size_t at = blocks.size();
  blocks.resize(at + bytes, std::byte{7});
  std::memcpy(blocks.data() + at + 4, &bytes, sizeof bytes);
}

TEST(WholeBlocks, HoweverTheyAreCutOnlyWholeOnesComeOut) {
  Blocks blocks;
  std::vector<size_t> ends{0};
  for (const uint32_t bytes : {12u, 28u, 100u, 12u, 60u}) {
    add_block(blocks, bytes);
    ends.push_back(blocks.size());
  }
  for (size_t cut = 1; cut < blocks.size(); ++cut) {
    WholeBlocks whole;
    Blocks out;
    for (const auto& [from, to] : {std::pair{size_t{0}, cut}, std::pair{cut, blocks.size()}}) {
      const auto got = whole.add(std::span(blocks).subspan(from, to - from)).value();
      out.insert(out.end(), got.begin(), got.end());
      EXPECT_TRUE(std::ranges::find(ends, out.size()) != ends.end()) << cut;
    }
    EXPECT_EQ(out, blocks);
  }
}

TEST(WholeBlocks, WhatIsNoBlockIsRefused) {
  for (const uint32_t bytes : {0u, 8u, 13u, 0xFFFF'FFFCu}) {
    Blocks blocks(12);
    std::memcpy(blocks.data() + 4, &bytes, sizeof bytes);
    EXPECT_FALSE(WholeBlocks().add(blocks)) << bytes;
  }
}

class CaptureOutputTest : public testing::Test {
 protected:
  CaptureOutputTest() { std::filesystem::create_directories(folder_); }
  ~CaptureOutputTest() override { std::filesystem::remove_all(folder_); }
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("capture_output_" + std::to_string(getpid()));
  const std::filesystem::path path_ = folder_ / "file.pcapng";
};

TEST_F(CaptureOutputTest, IsItsOwnersAloneWhateverTheUmask) {
  const mode_t before = umask(0);
  auto output = CaptureOutput::make(path_).value();
  umask(before);
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0600u);
}

TEST_F(CaptureOutputTest, ReplacesNothingAndFollowsNoLink) {
  std::ofstream(path_) << "mine";
  EXPECT_EQ(CaptureOutput::make(path_).error().code, ErrorCode::kConflict);
  const auto link = folder_ / "link";
  std::filesystem::create_symlink(folder_ / "elsewhere", link);
  EXPECT_EQ(CaptureOutput::make(link).error().code, ErrorCode::kConflict);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "elsewhere"));
  EXPECT_EQ(std::filesystem::file_size(path_), 4u);
}

TEST_F(CaptureOutputTest, HoldsWholeBlocksAtAnyMoment) {
  auto output = CaptureOutput::make(path_).value();
  Blocks blocks;
  add_block(blocks, 40);
  add_block(blocks, 40);
  ASSERT_TRUE(output->write(std::span(blocks).first(79)));
  EXPECT_EQ(std::filesystem::file_size(path_), 40u);
  ASSERT_TRUE(output->write(std::span(blocks).subspan(79)));
  EXPECT_EQ(std::filesystem::file_size(path_), 80u);
  EXPECT_EQ(output->bytes(), 80);
}

TEST_F(CaptureOutputTest, WhereNothingCameNoFileIsLeft) {
  CaptureOutput::make(path_).value().reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace soundgate
