// Made-up items and stores for the index's tests, seeded.
// Items change from one to the next as Chromaprint's do: a bit flips with probability 1/8. (Bits of
// unrelated tracks are nearer to chance than those of real music, which is what perf/quality is
// for.)
#pragma once

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "index/banded_items.h"
#include "index/index.h"

namespace soundgate::test {

inline Item flip_mask(std::mt19937_64& random, double probability) {
  std::bernoulli_distribution flips(probability);
  Item mask = 0;
  for (int bit = 0; bit < 32; ++bit) mask = mask << 1 | static_cast<Item>(flips(random));
  return mask;
}

inline std::vector<Item> make_track(uint64_t seed, double seconds) {
  std::mt19937_64 random(seed);
  std::vector<Item> items(static_cast<size_t>(seconds / kItemSeconds));
  auto item = static_cast<Item>(random());
  for (Item& next : items) next = item ^= flip_mask(random, 1.0 / 8);
  return items;
}

// As a re-encoding does: a share of the bits is wrong.
inline std::vector<Item> with_errors(std::vector<Item> items, double bit_error_rate,
                                     uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  for (Item& item : items) item ^= flip_mask(random, bit_error_rate);
  return items;
}

inline std::vector<Item> slice(const std::vector<Item>& items, size_t first, size_t count) {
  return {items.begin() + static_cast<ptrdiff_t>(first),
          items.begin() + static_cast<ptrdiff_t>(first + count)};
}

inline std::vector<Item> operator+(std::vector<Item> left, const std::vector<Item>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline EnrollRequest request_of(std::string content_id, std::vector<Item> items,
                                std::string bank = "spam") {
  EnrollRequest request;
  request.bank = std::move(bank);
  request.title = "title of " + content_id;
  request.content_id = std::move(content_id);
  request.fingerprint.duration_seconds = static_cast<double>(items.size()) * kItemSeconds;
  request.fingerprint.items = std::move(items);
  return request;
}

// A directory of its own, gone with it.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string path = (std::filesystem::temp_directory_path() / "index-test.XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp " + path);
    path_ = path;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

template <class T>
T value_of(IndexResult<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline std::unique_ptr<Index> open_index(const std::filesystem::path& store) {
  return value_of(Index::open(store, {.create = true, .owner = "test"}));
}

inline Bank bank_named(std::string name, Action action = Action::kBlock) {
  Bank bank;
  bank.name = std::move(name);
  bank.action = action;
  return bank;
}

inline std::vector<Match> match_all(const Index& index, const std::vector<Item>& items) {
  const auto session = index.match();
  session->append(0, items);
  return session->finish();
}

// All bands sound alike.
inline EnrollRequest banded_request_of(std::string content_id, std::vector<Item> items,
                                       std::string bank = "spam") {
  EnrollRequest request = request_of(std::move(content_id), std::move(items), std::move(bank));
  request.fingerprint.bass = request.fingerprint.treble = request.fingerprint.items;
  return request;
}

// Three tracks, one for each band.
inline BandedItems make_banded(uint64_t seed, double seconds) {
  std::vector<Item> all;
  for (uint64_t band = 0; band < kBandCount; ++band) {
    const std::vector<Item> items = make_track(seed + 1'000'000 * band, seconds);
    all.insert(all.end(), items.begin(), items.end());
  }
  return {std::move(all), kBandCount};
}

}  // namespace soundgate::test
