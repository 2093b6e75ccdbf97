#include "index/catalogue/validate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "index/limits.h"
#include "tests/index/synthetic.h"

namespace soundgate {
namespace {

EnrollRequest good_request() { return test::request_of("id", test::make_track(1, 20)); }

bool is_refused(const EnrollRequest& request) {
  const auto checked = validate(request);
  return !checked && checked.error().kind == IndexError::Kind::kInvalid &&
         !checked.error().message.empty();
}

TEST(Validate, TakesWhatIsGood) {
  EnrollRequest request = good_request();
  EXPECT_TRUE(validate(request));
  request.title = "Größe 音楽 🎵\n";
  request.content_id = "sha256:å/b c";
  request.metadata_json = " {\"artist\": \"x\", \"n\": [1, {}]}\n";
  EXPECT_TRUE(validate(request));
}

TEST(Validate, ContentIds) {
  for (const std::string& bad :
       {std::string(), std::string(kContentIdBytesMax + 1, 'a'), std::string("a\nb"),
        std::string("a\0b", 3), std::string("\x7f"), std::string("\xff"), std::string("\xc0\xaf"),
        std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"), std::string("\xe2\x82")}) {
    EnrollRequest request = good_request();
    request.content_id = bad;
    EXPECT_TRUE(is_refused(request)) << bad;
  }
}

TEST(Validate, Metadata) {
  const std::string deep(30000, '[');
  for (const char* bad : {"", "[]", "1", "null", "{", "{} {}", "{\"a\":}", "{'a':1}"}) {
    EnrollRequest request = good_request();
    request.metadata_json = bad;
    EXPECT_TRUE(is_refused(request)) << bad;
  }
  EnrollRequest request = good_request();
  request.metadata_json = "{\"a\":" + deep + std::string(30000, ']') + "}";
  EXPECT_TRUE(validate(request));  // deep, but bounded
  request.metadata_json = "{\"a\":\"" + std::string(kMetadataBytesMax, 'x') + "\"}";
  EXPECT_TRUE(is_refused(request));
}

TEST(Validate, Fingerprints) {
  EnrollRequest request = good_request();
  request.fingerprint.algorithm = 2;
  EXPECT_TRUE(is_refused(request));
  request = good_request();
  request.fingerprint.items.clear();
  EXPECT_TRUE(is_refused(request));
  request = good_request();
  request.fingerprint.items.resize(kItemsMax + 1);
  EXPECT_TRUE(is_refused(request));
  for (const double bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    request = good_request();
    request.fingerprint.duration_seconds = bad;
    EXPECT_TRUE(is_refused(request));
  }
}

TEST(Validate, Banks) {
  EXPECT_TRUE(validate(test::bank_named("spam")));
  EXPECT_FALSE(validate(test::bank_named("Spam!")));
  for (const double bad : {-1.0, std::nan(""), 1e9}) {
    Bank bank = test::bank_named("spam");
    bank.seconds_min = bad;
    EXPECT_FALSE(validate(bank));
  }
  EXPECT_FALSE(validate(test::bank_named("spam", static_cast<Action>(77))));
}

}  // namespace
}  // namespace soundgate
