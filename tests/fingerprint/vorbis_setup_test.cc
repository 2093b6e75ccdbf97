// What of the headers of Vorbis is no title.

#include "fingerprint/decode/worker/vorbis_setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace soundgate::decode {
namespace {

const std::string kIdentification = "\001vorbis" + std::string(23, 'i');
const std::string kSetup = "\005vorbis" + std::string(1000, 's');

std::string comment(size_t bytes) { return "\003vorbis" + std::string(bytes, 'c'); }

std::string laced_length(size_t length) {
  return std::string(length / 255, '\xff') + static_cast<char>(length % 255);
}
std::string laced(const std::string& title) {
  return '\2' + laced_length(kIdentification.size()) + laced_length(title.size()) +
         kIdentification + title + kSetup;
}
std::string prefixed(const std::string& title) {
  std::string all;
  for (const std::string& header : {kIdentification, title, kSetup}) {
    all += {static_cast<char>(header.size() >> 8), static_cast<char>(header.size())};
    all += header;
  }
  return all;
}

std::vector<std::string> setup_of(const std::string& extradata) {
  std::vector<std::string> parts;
  const auto* bytes = reinterpret_cast<const uint8_t*>(extradata.data());
  for (const auto part : vorbis_setup({bytes, extradata.size()})) {
    parts.emplace_back(part.begin(), part.end());
  }
  return parts;
}

TEST(VorbisSetup, LeavesOutTheComment) {
  for (const size_t bytes : {size_t{0}, size_t{247}, size_t{248}, size_t{249}, size_t{10'000}}) {
    EXPECT_THAT(setup_of(laced(comment(bytes))), testing::ElementsAre(kIdentification, kSetup));
    EXPECT_THAT(setup_of(prefixed(comment(bytes))), testing::ElementsAre(kIdentification, kSetup));
  }
}

TEST(VorbisSetup, LeavesWhatIsNothingOfThatKindAsItIs) {
  const std::string no_comment = laced("\004vorbis");
  for (const std::string& other :
       {std::string(), std::string("\2"), std::string("\2\xff"), std::string("\2\xff\xff\1"),
        std::string("\2\5\5abc"), std::string(1, '\0'), std::string("\0\036", 2), no_comment,
        laced(comment(5)).substr(0, 40), prefixed(comment(5)).substr(0, 60),
        prefixed(comment(5)) + "x"}) {
    EXPECT_THAT(setup_of(other), testing::ElementsAre(other));
  }
}

}  // namespace
}  // namespace soundgate::decode
