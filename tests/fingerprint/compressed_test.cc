// Compressed fingerprints, beside Chromaprint's own compressor and decompressor.
#include "fingerprint/chroma/compressed.h"

#include <chromaprint.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace soundgate {
namespace {

constexpr size_t kItemsMax = 700'000;

// What Chromaprint writes.
std::string chromaprint_text(const std::vector<Item>& items, int algorithm = kAlgorithm) {
  char* encoded = nullptr;
  int bytes = 0;
  EXPECT_TRUE(chromaprint_encode_fingerprint(items.data(), static_cast<int>(items.size()),
                                             algorithm, &encoded, &bytes, 1));
  std::string written(encoded, static_cast<size_t>(bytes));
  chromaprint_dealloc(encoded);
  return written;
}

// What Chromaprint reads. Only for text that our decompressor has accepted.
std::vector<Item> chromaprint_items(const std::string& compressed) {
  uint32_t* decoded = nullptr;
  int count = 0;
  int algorithm = 0;
  EXPECT_TRUE(chromaprint_decode_fingerprint(compressed.data(), static_cast<int>(compressed.size()),
                                             &decoded, &count, &algorithm, 1));
  std::vector<Item> items(decoded, decoded + count);
  chromaprint_dealloc(decoded);
  EXPECT_EQ(algorithm, kAlgorithm);
  return items;
}

// From hardly a bit that changes from item to item to each of them with even odds.
std::vector<Item> random_items(size_t count, double change, std::mt19937& random) {
  std::bernoulli_distribution changes(change);
  std::vector<Item> items(count);
  auto item = static_cast<Item>(random());
  for (Item& next : items) {
    for (unsigned bit = 0; bit < 32; ++bit) item ^= Item{changes(random)} << bit;
    next = item;
  }
  return items;
}

CompressedError error_of(const std::string& compressed, size_t items_max = kItemsMax) {
  const auto items = decompress(compressed, items_max);
  EXPECT_FALSE(items) << compressed;
  return items ? CompressedError{255} : items.error();
}

TEST(Compressed, IsWhatChromaprintWritesAndReads) {
  std::mt19937 random(1);
  for (const double change : {0.0, 0.01, 0.05, 0.13, 0.5, 0.95}) {
    for (const size_t count : {1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 1729}) {
      const std::vector<Item> items = random_items(count, change, random);
      const std::string compressed = compress(items);
      EXPECT_EQ(compressed, chromaprint_text(items));
      ASSERT_EQ(decompress(compressed, kItemsMax), items) << count << " " << change;
      EXPECT_EQ(chromaprint_items(compressed), items);
    }
  }
}

TEST(Compressed, TakesEveryBit) {
  for (unsigned high = 0; high < 32; ++high) {
    for (unsigned low = 0; low <= high; ++low) {
      const std::vector<Item> items = {Item{1} << high | Item{1} << low, ~Item{0}, 0, kSilenceItem};
      const std::string compressed = compress(items);
      EXPECT_EQ(compressed, chromaprint_text(items));
      EXPECT_EQ(decompress(compressed, kItemsMax), items);
    }
  }
}

TEST(Compressed, TakesNothingAndADay) {
  EXPECT_EQ(compress({}), chromaprint_text({}));
  EXPECT_EQ(decompress(compress({}), 0), std::vector<Item>());
  std::vector<Item> day(kItemsMax);
  std::generate(day.begin(), day.end(), std::mt19937(2));
  EXPECT_EQ(decompress(compress(day), kItemsMax), day);
  EXPECT_EQ(error_of(compress(day), kItemsMax - 1), CompressedError::kTooMany);
}

TEST(Compressed, RefusesOtherAlgorithms) {
  for (const int algorithm : {0, 2, 3, 4, 255}) {
    EXPECT_EQ(error_of(chromaprint_text({1, 2, 3}, algorithm)), CompressedError::kOtherAlgorithm);
  }
}

TEST(Compressed, RefusesWhatIsNotBase64) {
  const std::string good = compress(std::vector<Item>{1, 2, 3, 4});
  for (const std::string& bad :
       {good + "=", good + "\n", " " + good, good + "+", "/" + good, std::string("\0AAAAA", 6),
        good.substr(0, 5) + "\xff" + good.substr(6)}) {
    EXPECT_EQ(error_of(bad), CompressedError::kNotBase64) << bad;
  }
}

TEST(Compressed, RefusesEveryPart) {
  std::mt19937 random(3);
  const std::string whole = compress(random_items(50, 0.1, random));
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(decompress(whole.substr(0, length), kItemsMax)) << length;
  }
  EXPECT_EQ(error_of(""), CompressedError::kCutShort);
  EXPECT_EQ(error_of("AQAA"), CompressedError::kCutShort);
}

TEST(Compressed, RefusesWhatFollows) {
  std::mt19937 random(4);
  for (size_t count = 0; count < 20; ++count) {
    EXPECT_EQ(error_of(compress(random_items(count, 0.1, random)) + "AAAA"),
              CompressedError::kTrailing);
  }
}

TEST(Compressed, RefusesCountsThatItsBytesCannotHold) {
  EXPECT_EQ(error_of("AQAAAQ"), CompressedError::kCutShort);   // one, and no byte
  EXPECT_EQ(error_of("Af___wAA"), CompressedError::kTooMany);  // 16 million
  EXPECT_EQ(error_of("Af___wAA", kCompressedItemsMax), CompressedError::kCutShort);
  EXPECT_EQ(error_of("AQAABgAA"), CompressedError::kCutShort);  // 6 · 3 > 16 bits
}

// One item of eleven gaps of 3: its last bit would be number 33.
TEST(Compressed, RefusesBitsThatAnItemDoesNotHave) {
  EXPECT_EQ(error_of("AQAAAdu2bdu2"), CompressedError::kCutShort);
  EXPECT_EQ(error_of("AQAAAdu2bdsA"), CompressedError::kImpossible);
  EXPECT_EQ(error_of("AQAAAQcf"), CompressedError::kImpossible);  // a gap of 7 + 31
}

TEST(Compressed, RefusesFillingThatIsNotZero) {
  EXPECT_EQ(decompress("AQAAAQE", kItemsMax), std::vector<Item>{1});
  EXPECT_EQ(error_of("AQAAAUE"), CompressedError::kTrailing);   // behind the gaps
  EXPECT_EQ(error_of("AQAAAQF"), CompressedError::kNotBase64);  // behind the last byte
  EXPECT_EQ(decompress("AQAAAQcA", kItemsMax), std::vector<Item>{64});
  EXPECT_EQ(error_of("AQAAAQcg"), CompressedError::kTrailing);  // behind the excesses
}

}  // namespace
}  // namespace soundgate
