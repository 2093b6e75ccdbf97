#include "index/search/quantiser.h"

#include <faiss/impl/FaissAssert.h>

#include <algorithm>

#include "index/search/checksum.h"
#include "index/search/tuning.h"

namespace soundgate {
namespace {

using faiss::Index;

const uint8_t* bytes_of(std::span<const Window> windows) {
  return reinterpret_cast<const uint8_t*>(windows.data());
}

std::vector<Window> leaders_among(std::span<const Window> centroids) {
  const size_t count = leader_count(centroids.size());
  std::vector<Window> leaders;
  for (size_t i = 0; i < count; ++i) leaders.push_back(centroids[i * centroids.size() / count]);
  return leaders;
}

std::vector<uint32_t> nearest_leaders(std::span<const Window> leaders,
                                      std::span<const Window> centroids) {
  FlatIndex index;
  index.add(static_cast<Index::idx_t>(leaders.size()), bytes_of(leaders));
  std::vector<int32_t> distances(centroids.size());
  std::vector<Index::idx_t> labels(centroids.size());
  index.search(static_cast<Index::idx_t>(centroids.size()), bytes_of(centroids), 1,
               distances.data(), labels.data());
  return {labels.begin(), labels.end()};
}

}  // namespace

uint64_t quantiser_digest(std::span<const Window> leaders, std::span<const WindowBlock> centroids) {
  return checksum(std::as_bytes(centroids), checksum(std::as_bytes(leaders)));
}

QuantiserParts make_quantiser(std::span<const Window> centroids) {
  QuantiserParts parts;
  parts.leaders = leaders_among(centroids);
  const std::vector<uint32_t> leader_of = nearest_leaders(parts.leaders, centroids);
  std::vector<uint32_t> sizes(parts.leaders.size());
  for (const uint32_t leader : leader_of) ++sizes[leader];
  parts.begin.push_back(0);
  for (const uint32_t size : sizes) {
    const auto blocks = static_cast<uint32_t>((size + kBlockWindows - 1) / kBlockWindows);
    parts.begin.push_back(parts.begin.back() + blocks);
  }
  parts.centroids.resize(parts.begin.back());
  parts.ids.resize(parts.begin.back() * kBlockWindows, kNoId);

  std::vector<size_t> next;
  for (size_t i = 0; i < sizes.size(); ++i) next.push_back(parts.begin[i] * kBlockWindows);
  for (size_t i = 0; i < centroids.size(); ++i) {
    const size_t place = next[leader_of[i]]++;
    put_window(parts.centroids, place, centroids[i]);
    parts.ids[place] = 0;
  }
  WindowId list = 0;
  for (WindowId& id : parts.ids) {
    if (id != kNoId) id = list++;
  }
  parts.digest = quantiser_digest(parts.leaders, parts.centroids);
  return parts;
}

Quantiser::Quantiser(const QuantiserView& view)
    : IndexBinary(kWindowBits), centroids_(view.centroids, &leaders_) {
  leaders_.add(static_cast<idx_t>(view.leaders.size()), bytes_of(view.leaders));
}

void Quantiser::search(idx_t n, const uint8_t* x, idx_t k, int32_t* distances, idx_t* labels,
                       const faiss::SearchParameters*) const {
  ListSearchParameters limits;
  limits.probe_count = kLeadersLookedAt;
  centroids_.search(n, x, k, distances, labels, &limits);
}

void Quantiser::assign_lists(std::span<const Window> windows, std::span<uint32_t> lists) const {
  ListSearchParameters limits;
  limits.probe_count = kLeadersLookedAt;
  std::vector<int32_t> distances(windows.size());
  std::vector<idx_t> labels(windows.size());
  centroids_.search(static_cast<idx_t>(windows.size()), bytes_of(windows), 1, distances.data(),
                    labels.data(), &limits);
  std::ranges::transform(labels, lists.begin(),
                         [](idx_t label) { return label < 0 ? 0U : static_cast<uint32_t>(label); });
}

void Quantiser::add(idx_t, const uint8_t*) { FAISS_THROW_MSG("a quantiser is read-only"); }
void Quantiser::reset() { FAISS_THROW_MSG("a quantiser is read-only"); }

}  // namespace soundgate
