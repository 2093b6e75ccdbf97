#include "index/bank.h"

#include <gtest/gtest.h>

namespace soundgate {
namespace {

TEST(Bank, ActionsHaveNamesThatParse) {
  for (const char* text : {"allow", "track", "label", "demote", "hold_review", "block"}) {
    const auto action = parse_action(text);
    ASSERT_TRUE(action) << text;
    EXPECT_EQ(name(*action), text);
  }
  EXPECT_FALSE(parse_action("Block"));
  EXPECT_FALSE(parse_action(""));
}

TEST(Bank, ProbesHaveNamesThatParse) {
  for (const char* text : {"off", "near", "wide"}) {
    const auto probes = parse_probes(text);
    ASSERT_TRUE(probes) << text;
    EXPECT_EQ(name(*probes), text);
  }
  EXPECT_FALSE(parse_probes("far"));
}

TEST(Bank, NamesAreShortAndPlain) {
  EXPECT_TRUE(is_bank_name("spam-2026_a.b"));
  EXPECT_TRUE(is_bank_name(std::string(64, 'a')));
  EXPECT_FALSE(is_bank_name(std::string(65, 'a')));
  EXPECT_FALSE(is_bank_name(""));
  EXPECT_FALSE(is_bank_name("Spam"));
  EXPECT_FALSE(is_bank_name("a/b"));
  EXPECT_FALSE(is_bank_name("a b"));
}

}  // namespace
}  // namespace soundgate
