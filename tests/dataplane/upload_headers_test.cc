// Names of resources, and where a Location points.
#include <gtest/gtest.h>

#include <array>

#include "dataplane/http/resource_name.h"

namespace soundgate {
namespace {

constexpr HashSeed kSeed{3, 4};

ResourceKeys keys(std::string_view target, std::string_view host = "a") {
  return resource_keys(target, host, kSeed);
}

TEST(ResourceName, IsHostPathAndQueryAsTheOriginUnderstandsThem) {
  const ResourceKeys one = keys("/files/x?id=1");
  EXPECT_EQ(keys("/files//./x?id=1").exact, one.exact);
  EXPECT_EQ(keys("http://A:80/files/%78?id=1#top", "other").exact, one.exact);
  EXPECT_EQ(keys("/files/x?id=2").plain, one.plain);
  EXPECT_NE(keys("/files/x?id=2").exact, one.exact);
  EXPECT_NE(keys("/files/X?id=1").exact, one.exact);
  EXPECT_NE(keys("/files/x?id=1", "b").plain, one.plain);
  EXPECT_EQ(keys("/files/x").exact, keys("/files/x").plain);
  EXPECT_NE(resource_keys("/files/x", "a", {3, 5}).exact, keys("/files/x").exact);
}

TEST(ResourceName, AliasesAreByTheIdentifierAlone) {
  const ResourceKey alias = keys("/files/0123456789abcdef").alias;
  EXPECT_TRUE(alias.is_set());
  for (const char* other : {"/files/0123456789ABCDEF/", "/v2/files/0123456789abcdef",
                            "/0123456789abcdef/part?x", "/files/0123456789abcdef;v=1"}) {
    EXPECT_EQ(keys(other, "elsewhere").alias, alias) << other;
  }
  EXPECT_FALSE(keys("/files/17").alias.is_set());
}

TEST(ResourceName, LocationsAreResolved) {
  std::array<char, 64> space;
  const auto resolved = [&](std::string_view location) {
    return resolve_location(location, "/files/new?x=/y", space);
  };
  EXPECT_EQ(resolved("/a/b?c"), "/a/b?c");
  EXPECT_EQ(resolved("http://h/a"), "http://h/a");
  EXPECT_EQ(resolved("//h/a"), "http://h/a");
  EXPECT_EQ(resolved("b?u=http://h"), "/files/b?u=http://h");
  EXPECT_EQ(resolved("../b"), "/files/../b");
  EXPECT_EQ(resolved(""), "");
  EXPECT_EQ(resolved(std::string(100, 'x')), "");
}

}  // namespace
}  // namespace soundgate
