#include "index/search/list_index.h"

#include <faiss/invlists/InvertedLists.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <random>
#include <set>

#include "index/search/block_scanner.h"
#include "index/search/quantiser.h"

namespace soundgate {
namespace {

using faiss::Index;

const uint8_t* bytes_of(std::span<const Window> windows) {
  return reinterpret_cast<const uint8_t*>(windows.data());
}

uint32_t distance(const Window& left, const Window& right) {
  int bits = 0;
  for (size_t w = 0; w < kWindowWords; ++w) bits += std::popcount(left[w] ^ right[w]);
  return static_cast<uint32_t>(bits);
}

// Clusters of a few dozen, so that lists mean something.
std::vector<Window> clustered_windows(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Window> windows(count);
  Window centre{};
  for (size_t i = 0; i < count; ++i) {
    if (i % 40 == 0) {
      for (uint64_t& word : centre) word = random();
    }
    windows[i] = centre;
    for (uint64_t& word : windows[i]) word ^= random() & random() & random();
  }
  return windows;
}

// Windows in the lists that a quantiser of some of them gives them; ids are 10 apart.
struct Indexed {
  explicit Indexed(const std::vector<Window>& windows_, size_t lists)
      : windows(windows_),
        parts(make_quantiser(std::span(windows).first(lists))),
        quantiser(parts.view()) {
    std::vector<uint32_t> list_of(windows.size());
    quantiser.assign_lists(windows, list_of);
    begin.push_back(0);
    for (uint32_t list = 0; list < lists; ++list) {
      size_t place = begin.back() * kBlockWindows;
      for (size_t i = 0; i < windows.size(); ++i) {
        if (list_of[i] != list) continue;
        if (place % kBlockWindows == 0) {
          blocks.emplace_back();
          ids.resize(ids.size() + kBlockWindows, kNoId);
        }
        put_window(blocks, place, windows[i]);
        ids[place++] = static_cast<WindowId>(10 * i);
      }
      begin.push_back(static_cast<uint32_t>(blocks.size()));
    }
  }
  BlockLists lists() const { return {begin, blocks, ids}; }

  std::vector<Window> windows;
  QuantiserParts parts;
  Quantiser quantiser;
  std::vector<uint32_t> begin;
  std::vector<WindowBlock> blocks;
  std::vector<WindowId> ids;
};

struct Found {
  std::vector<int32_t> distances;
  std::vector<Index::idx_t> labels;
};

Found search(const faiss::IndexBinary& index, const std::vector<Window>& queries, size_t k,
             const faiss::SearchParameters* params = nullptr) {
  Found found{std::vector<int32_t>(queries.size() * k),
              std::vector<Index::idx_t>(queries.size() * k)};
  index.search(static_cast<Index::idx_t>(queries.size()), bytes_of(queries),
               static_cast<Index::idx_t>(k), found.distances.data(), found.labels.data(), params);
  return found;
}

TEST(ListIndex, WithAllListsProbedFindsTheNearest) {
  constexpr size_t kNearest = 5;
  const Indexed indexed(clustered_windows(3000, 1), 64);
  const ListIndex index(indexed.lists(), &indexed.quantiser);
  const std::vector<Window> queries = clustered_windows(50, 2);
  std::vector<Index::idx_t> all;
  for (size_t q = 0; q < queries.size(); ++q) {
    for (Index::idx_t list = 0; list < 64; ++list) all.push_back(list);
  }
  for (const WindowId first : {WindowId{0}, WindowId{1}, WindowId{15000}, WindowId{29990}}) {
    ListSearchParameters params;
    params.radius = 250;
    params.first_id = first;
    params.probe_count = 64;
    params.lists = all.data();
    const Found found = search(index, queries, kNearest, &params);
    for (size_t q = 0; q < queries.size(); ++q) {
      std::vector<uint32_t> expected;
      for (size_t i = static_cast<size_t>(first + 9) / 10; i < 3000; ++i) {
        const uint32_t bits = distance(queries[q], indexed.windows[i]);
        if (bits < params.radius) expected.push_back(bits);
      }
      std::ranges::sort(expected);
      for (size_t i = 0; i < kNearest; ++i) {
        const auto label = found.labels[q * kNearest + i];
        if (i >= expected.size()) {
          EXPECT_EQ(label, -1);
          continue;
        }
        ASSERT_GE(label, first);
        EXPECT_EQ(static_cast<uint32_t>(found.distances[q * kNearest + i]), expected[i]);
        EXPECT_EQ(distance(queries[q], indexed.windows[static_cast<size_t>(label / 10)]),
                  expected[i]);
      }
    }
  }
}

TEST(ListIndex, AWindowIsFoundInItsOwnList) {
  const Indexed indexed(clustered_windows(3000, 1), 64);
  const ListIndex index(indexed.lists(), &indexed.quantiser);
  ListSearchParameters params;
  params.probe_count = 4;
  const Found found = search(index, indexed.windows, 1, &params);
  for (size_t i = 0; i < 3000; ++i) {
    EXPECT_EQ(found.distances[i], 0) << i;
    EXPECT_EQ(found.labels[i], static_cast<Index::idx_t>(10 * i));
  }
}

// Our lists, read-only, as FAISS's own inverted file takes them.
class FaissLists final : public faiss::ReadOnlyInvertedLists {
 public:
  explicit FaissLists(const BlockLists& lists)
      : ReadOnlyInvertedLists(lists.list_count(), sizeof(Window)), lists_(lists) {}
  size_t list_size(size_t list) const override { return lists_.ids_of(list).size(); }
  const uint8_t* get_codes(size_t list) const override {
    return reinterpret_cast<const uint8_t*>(lists_.blocks_of(list).data());
  }
  const idx_t* get_ids(size_t list) const override { return lists_.ids_of(list).data(); }

 private:
  BlockLists lists_;
};

class FaissIndex final : public faiss::IndexBinaryIVF {
 public:
  FaissIndex(Quantiser& quantiser_, faiss::InvertedLists& lists)
      : IndexBinaryIVF(&quantiser_, kWindowBits, lists.nlist) {
    replace_invlists(&lists);
  }
  faiss::BinaryInvertedListScanner* get_InvertedListScanner(bool) const override {
    return new BlockScanner(distance_kernels().front().scan);
  }
};

// README, "An inverted file of our own": quantiser, lists and scanner are FAISS's extension points.
TEST(ListIndex, FaissDrivesTheSameThreePartsToTheSameEnd) {
  constexpr size_t kNearest = 3;
  omp_set_num_threads(1);
  Indexed indexed(clustered_windows(3000, 1), 64);
  const std::vector<Window> queries = clustered_windows(100, 1);
  FaissLists lists(indexed.lists());
  FaissIndex theirs(indexed.quantiser, lists);
  theirs.nprobe = 4;
  const ListIndex ours(indexed.lists(), &indexed.quantiser);
  ListSearchParameters params;
  params.probe_count = 4;
  EXPECT_EQ(search(theirs, queries, kNearest).distances,
            search(ours, queries, kNearest, &params).distances);
}

TEST(Quantiser, NumbersEachCentroidOnce) {
  const std::vector<Window> windows = clustered_windows(500, 3);
  const QuantiserParts parts = make_quantiser(windows);
  std::set<WindowId> ids(parts.ids.begin(), parts.ids.end());
  ids.erase(kNoId);
  EXPECT_EQ(ids.size(), 500U);
  EXPECT_EQ(*ids.begin(), 0);
  EXPECT_EQ(*ids.rbegin(), 499);
}

// As segments do.
QuantiserParts quantiser_of_a_quarter(const std::vector<Window>& windows) {
  std::vector<Window> centroids;
  for (size_t i = 0; i < windows.size(); i += 4) centroids.push_back(windows[i]);
  return make_quantiser(centroids);
}

// A list that is not the nearest does no harm, if it is near, and a query looks there too.
TEST(Quantiser, PutsWindowsIntoListsThatAreNear) {
  const std::vector<Window> windows = clustered_windows(4000, 4);
  const QuantiserParts parts = quantiser_of_a_quarter(windows);
  std::vector<uint32_t> lists(windows.size());
  Quantiser(parts.view()).assign_lists(windows, lists);
  uint64_t nearest_bits = 0, chosen_bits = 0;
  for (size_t i = 0; i < windows.size(); ++i) {
    uint32_t best = kWindowBits + 1, chosen = kWindowBits + 1;
    for (size_t p = 0; p < parts.ids.size(); ++p) {
      if (parts.ids[p] == kNoId) continue;
      const uint32_t bits = distance(windows[i], window_at(parts.centroids, p));
      best = std::min(best, bits);
      if (parts.ids[p] == lists[i]) chosen = bits;
    }
    nearest_bits += best;
    chosen_bits += chosen;
  }
  EXPECT_LE(static_cast<double>(chosen_bits), 1.05 * static_cast<double>(nearest_bits));
}

// This is what a search needs: that a changed window looks into the list of the unchanged one.
TEST(Quantiser, NamesTheListOfAWindowToChangedCopiesOfIt) {
  const std::vector<Window> windows = clustered_windows(4000, 4);
  const QuantiserParts parts = quantiser_of_a_quarter(windows);
  const Quantiser quantiser(parts.view());
  std::vector<uint32_t> lists(windows.size());
  quantiser.assign_lists(windows, lists);
  constexpr size_t kProbes = 10;  // as many centroids as a cluster has: any may be the nearest
  std::mt19937_64 random(7);
  std::vector<Window> changed = windows;
  for (Window& window : changed) {  // one bit in eight
    for (uint64_t& word : window) word ^= random() & random() & random();
  }
  const Found found = search(quantiser, changed, kProbes);
  size_t named = 0;
  for (size_t i = 0; i < windows.size(); ++i) {
    const std::span probes(&found.labels[i * kProbes], kProbes);
    named += std::ranges::find(probes, Index::idx_t{lists[i]}) != probes.end();
  }
  EXPECT_GE(named, 3200U);  // an upload asks with hundreds of windows; most are enough
}

}  // namespace
}  // namespace soundgate
