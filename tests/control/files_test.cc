// The files that a command is given, where they are none.
#include "control/cli/files.h"

#include <gtest/gtest.h>

#include <vector>

#include "control/limits.h"

namespace soundgate {
namespace {

TEST(OpenFile, ADeviceThatNeverEnds) {
  const auto source = open_file("/dev/zero");
  ASSERT_TRUE(source);
  std::vector<std::byte> piece(size_t{16} << 20);
  size_t bytes = 0;
  for (;;) {
    const auto read = (*source)->read(piece);
    if (!read) {
      EXPECT_EQ(read.error().message, "/dev/zero: larger than 4.29 GB");
      EXPECT_EQ(exit_code(read.error().code), 1);
      break;
    }
    bytes += *read;
    ASSERT_LE(bytes, kFileBodyBytesMax);
  }
  EXPECT_EQ(bytes, kFileBodyBytesMax);
}

}  // namespace
}  // namespace soundgate
