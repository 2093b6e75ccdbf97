#include "index/search/window.h"

#include <gtest/gtest.h>

#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

WindowItems first_window(const std::vector<Item>& items) {
  return std::span(items).first<kWindowItems>();
}

TEST(Window, KeepsItemsInOrder) {
  std::vector<Item> items(kWindowItems);
  for (size_t i = 0; i < items.size(); ++i) items[i] = static_cast<Item>(i + 1);
  const Window window = pack_window(first_window(items));
  EXPECT_EQ(window[0] & 0xffffffff, 1U);
  EXPECT_EQ(window[0] >> 32, 2U);
  EXPECT_EQ(window[7] >> 32, 16U);
}

TEST(InformationGate, PassesMusic) {
  EXPECT_TRUE(is_informative(first_window(test::make_track(1, 10))));
}

TEST(InformationGate, StopsSilence) {
  EXPECT_FALSE(is_informative(first_window(std::vector<Item>(kWindowItems, kSilenceItem))));
}

TEST(InformationGate, StopsDrones) {
  std::vector<Item> drone(kWindowItems, 0x12345678);
  for (size_t i = 0; i < drone.size(); i += 3) drone[i] ^= 1U << i;  // ten bits in 2 s
  EXPECT_FALSE(is_informative(first_window(drone)));
}

TEST(InformationGate, CountsWhatIsIndexed) {
  const std::vector<Item> music = test::make_track(1, 60);
  const std::vector<Item> silence(music.size(), kSilenceItem);
  EXPECT_NEAR(informative_seconds(music), 60, 1);
  EXPECT_NEAR(informative_seconds(test::operator+(music, silence)), 60, 2);
  EXPECT_EQ(informative_seconds(silence), 0);
  EXPECT_EQ(informative_seconds(test::slice(music, 0, kWindowItems - 1)), 0);
}

}  // namespace
}  // namespace soundgate
