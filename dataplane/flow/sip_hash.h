// A keyed hash, short enough for every packet: who does not know the seed cannot choose what
// collides. Source: SipHash (Aumasson and Bernstein, 2012) with 1 round a word and 3 to finish.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dataplane/flow/flow_key.h"

namespace soundgate {

class SipHash {
 public:
  explicit SipHash(const HashSeed& seed)
      : v0_(seed.first ^ 0x736f6d6570736575ull),
        v1_(seed.second ^ 0x646f72616e646f6dull),
        v2_(seed.first ^ 0x6c7967656e657261ull),
        v3_(seed.second ^ 0x7465646279746573ull) {}

  void add(uint64_t word) {
    v3_ ^= word;
    round();
    v0_ ^= word;
  }

  // The text and its length, so that texts which follow each other keep apart.
  void add(std::string_view text) {
    add(text.size());
    for (; text.size() >= sizeof(uint64_t); text.remove_prefix(sizeof(uint64_t))) {
      add(word_of(text.substr(0, sizeof(uint64_t))));
    }
    if (!text.empty()) add(word_of(text));
  }

  uint64_t finish() {
    v2_ ^= 0xFF;
    for (int count = 0; count < 3; ++count) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  static uint64_t word_of(std::string_view text) {
    uint64_t word = 0;
    std::memcpy(&word, text.data(), text.size());
    return word;
  }

  void round() {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
  }

  uint64_t v0_, v1_, v2_, v3_;
};

}  // namespace soundgate
