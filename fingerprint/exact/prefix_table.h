// What producers know of known uploads: 64 bits of the digests of their beginnings and of their
// whole. A hint: who finds one here puts off decoding, and asks the 128 bits later; one that is
// missing costs a decoding.
// Thread: find() from any, without waiting; insert and erase from one.
// Memory: fixed, and zero pages until written.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "fingerprint/exact/digest.h"

namespace soundgate::exact {

class PrefixTable {
 public:
  explicit PrefixTable(size_t words_min)
      : buckets_(std::bit_ceil(words_min / kBucketWords + 1)),
        words_(static_cast<uint64_t*>(std::calloc(buckets_, kBucketWords * sizeof(uint64_t)))) {
    if (!words_) throw std::bad_alloc();
  }

  // kLong: of an upload that takes long to decode.
  enum class Known : uint8_t { kNo, kShort, kLong };
  Known find(const Digest& digest) const {
    const uint64_t* bucket = bucket_of(digest);
    for (size_t i = 0; i < kBucketWords; ++i) {
      const uint64_t found = load(bucket[i]);
      if ((found & ~kLongBit) == word(digest)) {
        return found & kLongBit ? Known::kLong : Known::kShort;
      }
    }
    return Known::kNo;
  }

  // Where there is no room one that was there is forgotten.
  void insert(const Digest& digest, bool is_long) {
    erase(digest);
    uint64_t* bucket = bucket_of(digest);
    size_t place = digest.low / (2 * kBucketWords) % kBucketWords;
    for (size_t i = 0; i < kBucketWords; ++i) {
      if (load(bucket[i]) == 0) place = i;
    }
    store(bucket[place], word(digest) | (is_long ? kLongBit : 0));
  }
  void erase(const Digest& digest) {
    uint64_t* bucket = bucket_of(digest);
    for (size_t i = 0; i < kBucketWords; ++i) {
      if ((load(bucket[i]) & ~kLongBit) == word(digest)) store(bucket[i], 0);
    }
  }

 private:
  struct Free {
    void operator()(uint64_t* words) const { std::free(words); }
  };
  static constexpr size_t kBucketWords = 8;
  static constexpr uint64_t kLongBit = 1;
  static constexpr uint64_t kTakenBit = 2;  // so that no word is 0

  static uint64_t word(const Digest& digest) { return (digest.low | kTakenBit) & ~kLongBit; }
  uint64_t* bucket_of(const Digest& digest) const {
    return words_.get() + (digest.high & (buckets_ - 1)) * kBucketWords;
  }
  static uint64_t load(const uint64_t& word) {
    return std::atomic_ref(const_cast<uint64_t&>(word)).load(std::memory_order_relaxed);
  }
  static void store(uint64_t& word, uint64_t value) {
    std::atomic_ref(word).store(value, std::memory_order_relaxed);
  }

  size_t buckets_;
  std::unique_ptr<uint64_t[], Free> words_;
};

}  // namespace soundgate::exact
