// A line of the log can be taken apart again, whatever its values hold.
#include "control/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace soundgate {
namespace {

using testing::HasSubstr;

TEST(Log, ValuesCanNotForgeFields) {
  testing::internal::CaptureStderr();
  log(LogLevel::kError, "test",
      {{"plain", "a/b"}, {"empty", ""}, {"quote", "a\" b=c"}, {"slash", "a\\"}, {"line", "a\nb"}});
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_THAT(line, HasSubstr(R"( plain=a/b empty="" quote="a\" b=c" slash="a\\" line="a\nb")"));
}

}  // namespace
}  // namespace soundgate
