// What a capture must look like before it is replayed.
#include "dataplane/port/capture_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

namespace soundgate {
namespace {

using testing::HasSubstr;
using Head = std::vector<std::byte>;

Head words(std::initializer_list<uint32_t> values, bool swapped = false) {
  Head head;
  for (const uint32_t value : values) {
    for (int i = 0; i < 4; ++i) {
      head.push_back(static_cast<std::byte>(value >> 8 * (swapped ? 3 - i : i)));
    }
  }
  return head;
}

Head pcap(uint32_t magic, uint32_t link, bool swapped = false) {
  return words({magic, 0x00040002, 0, 0, 65'535, link}, swapped);
}

Head pcapng(uint32_t link, bool swapped = false) {
  const uint32_t type_and_reserved = swapped ? link << 16 : link;
  return words({0x0A0D0D0A, 28, 0x1A2B3C4D, 0x00010000, ~0u, ~0u, 28,  //
                1, 20, type_and_reserved, 65'535, 20},
               swapped);
}

std::string complaint(const Head& head) {
  const auto checked = check_capture_head(head);
  return checked ? "" : checked.error();
}

TEST(CaptureFile, EthernetOfEveryKindIsTaken) {
  for (const bool swapped : {false, true}) {
    EXPECT_EQ(complaint(pcap(0xA1B2C3D4, 1, swapped)), "");
    EXPECT_EQ(complaint(pcap(0xA1B23C4D, 1, swapped)), "");
    EXPECT_EQ(complaint(pcapng(1, swapped)), "");
  }
}

TEST(CaptureFile, OtherLinksAreRefused) {
  for (const bool swapped : {false, true}) {
    EXPECT_THAT(complaint(pcap(0xA1B2C3D4, 113, swapped)), HasSubstr("link type 113"));
    EXPECT_THAT(complaint(pcapng(276, swapped)), HasSubstr("link type 276"));
  }
}

TEST(CaptureFile, WhatIsNoneIsRefused) {
  EXPECT_THAT(complaint({}), HasSubstr("too short"));
  EXPECT_THAT(complaint(Head(100)), HasSubstr("neither"));
  Head endless = pcapng(1);
  endless[4] = std::byte{0};  // a block of no bytes
  EXPECT_THAT(complaint(endless), HasSubstr("damaged"));
  EXPECT_THAT(complaint(words({0x0A0D0D0A, 28, 0, 0, 0, 0, 28})), HasSubstr("byte order"));
  EXPECT_THAT(check_capture("/nowhere/x.pcap").error(), HasSubstr("No such file"));
  EXPECT_THAT(check_capture("/a,b.pcap").error(), HasSubstr("comma"));
}

TEST(CaptureFile, WhatWasNotReadIsNoticed) {
  const std::string file = testing::TempDir() + "capture_file_test_" + std::to_string(getpid());
  const auto write = [&](const Head& head, size_t more_bytes) {
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<const char*>(head.data()),
              static_cast<std::streamsize>(head.size()));
    out << std::string(more_bytes, 'x');
  };
  write(pcap(0xA1B2C3D4, 1), 2 * 16 + 150);
  EXPECT_TRUE(is_whole_capture(file, 2, 150));
  EXPECT_FALSE(is_whole_capture(file, 1, 150));
  EXPECT_FALSE(is_whole_capture(file, 2, 149));
  write(pcapng(1), 77);
  EXPECT_TRUE(is_whole_capture(file, 0, 0));
  std::filesystem::remove(file);
}

TEST(CaptureFile, DamagedOnesHarmNobody) {
  std::mt19937 random(1);
  for (int i = 0; i < 50'000; ++i) {
    Head head = i % 2 == 0 ? pcapng(1, i % 4 == 0) : pcap(0xA1B2C3D4, 1);
    for (int flips = 0; flips < 3; ++flips) {
      head[random() % head.size()] = static_cast<std::byte>(random());
    }
    head.resize(random() % (head.size() + 1));
    (void)check_capture_head(head);
  }
}

}  // namespace
}  // namespace soundgate
