#include "index/search/reference_table.h"

#include <gtest/gtest.h>

namespace soundgate {
namespace {

std::shared_ptr<const ReferenceEntry> entry_named(std::string content_id) {
  auto entry = std::make_shared<ReferenceEntry>();
  entry->reference.content_id = std::move(content_id);
  return entry;
}

TEST(ReferenceTable, ACopyKeepsWhatItHad) {
  ReferenceTable table;
  for (Slot slot = 0; slot < 600; ++slot) table.set(slot, entry_named(std::to_string(slot)));
  const ReferenceTable before = table;
  table.set(300, nullptr);
  table.set(301, entry_named("changed"));
  table.set(600, entry_named("600"));

  EXPECT_EQ(before.slot_end(), 600U);
  EXPECT_EQ(before.at(300)->reference.content_id, "300");
  EXPECT_EQ(before.at(301)->reference.content_id, "301");
  EXPECT_EQ(before.at(600), nullptr);

  EXPECT_EQ(table.slot_end(), 601U);
  EXPECT_EQ(table.at(300), nullptr);
  EXPECT_EQ(table.at(301)->reference.content_id, "changed");
  EXPECT_EQ(table.at(600)->reference.content_id, "600");
  EXPECT_EQ(table.at(100000), nullptr);
}

}  // namespace
}  // namespace soundgate
