#include "control/inspection/key_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace soundgate {
namespace {

TEST(KeyTable, AgreesWithAMap) {
  KeyTable table;
  std::map<uint64_t, uint16_t> model;
  std::mt19937_64 random(7);
  for (int step = 0; step < 200000; ++step) {
    const uint64_t key = random() % 6000 + 1;
    const auto found = model.find(key);
    const uint16_t expected = found == model.end() ? KeyTable::kNone : found->second;
    ASSERT_EQ(table.find(UploadKey{key}), expected);
    if (found != model.end()) {
      table.erase(UploadKey{key});
      model.erase(found);
    } else if (model.size() < kUploadSlotsPerLcore) {
      table.insert(UploadKey{key}, static_cast<uint16_t>(key));
      model[key] = static_cast<uint16_t>(key);
    }
  }
}

}  // namespace
}  // namespace soundgate
