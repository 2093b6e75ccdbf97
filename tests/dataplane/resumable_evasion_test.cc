// Ways around the inspection of uploads in parts, and what honest clients must not suffer.
#include "dataplane/gate/intake.h"
#include "tests/dataplane/tus_ends.h"

namespace soundgate::test {
namespace {

constexpr size_t kBlock = kSeenBlockBytes;

TEST(TusEvasion, AStatusAheadOfThePartOnItsWayHarmsNothing) {
  Tus tus;
  const std::string all(4 * kBlock, 'x');
  tus.make(5 * kBlock);
  Connection one = tus.connect();
  for (size_t at = 0; at < all.size(); at += 1'000) {
    one.say((at == 0 ? patch_head(kResource, 0, 5 * kBlock) : "") + all.substr(at, 1'000));
  }
  one.reset();
  Connection two = tus.connect();
  two.say(patch_head(kResource, 10, 5 * kBlock - 10));
  tus.connect().ask(status_request(kResource), status(2 * kBlock, 5 * kBlock));
  EXPECT_EQ(two.say(all.substr(10, 1'000)), all.substr(10, 1'000));
  EXPECT_EQ(tus.reason(DataplaneReason::upload_conflict), 0u);
}

}  // namespace
}  // namespace soundgate::test
