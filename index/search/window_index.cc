#include "index/search/window_index.h"

#include <faiss/impl/IDSelector.h>

#include "index/search/list_index.h"
#include "index/search/quantiser.h"
#include "index/search/tuning.h"

namespace soundgate {
namespace {

const uint8_t* bytes_of(std::span<const Window> windows) {
  return reinterpret_cast<const uint8_t*>(windows.data());
}

struct Wanted : faiss::IDSelector {
  explicit Wanted(const WindowIndex::IsWanted& is_wanted_) : is_wanted(is_wanted_) {}
  bool is_member(faiss::Index::idx_t id) const override { return is_wanted(id); }
  const WindowIndex::IsWanted& is_wanted;
};

}  // namespace

struct WindowIndex::Faiss {
  Faiss(const BlockLists& lists, const QuantiserView& view)
      : quantiser(view.empty() ? nullptr : std::make_unique<Quantiser>(view)),
        quantiser_digest(view.digest),
        index(lists, quantiser.get()),
        list_count(lists.list_count() / kBandCount),
        windows_of_band(lists.blocks.size() * kBlockWindows / kBandCount) {}

  std::unique_ptr<Quantiser> quantiser;
  uint64_t quantiser_digest;
  ListIndex index;
  size_t list_count;       // of each band
  size_t windows_of_band;  // on average
};

WindowIndex::WindowIndex(const BlockLists& lists, const QuantiserView& quantiser)
    : faiss_(std::make_unique<Faiss>(lists, quantiser)) {}

WindowIndex::~WindowIndex() = default;

void WindowIndex::search(std::span<const Window> queries, size_t band, size_t compared,
                         WindowId first_id, uint32_t radius, size_t count_max,
                         const IsWanted& is_wanted, CoarseProbes& coarse,
                         std::vector<Hit>& hits) const {
  Wanted wanted(is_wanted);
  ListSearchParameters limits;
  if (is_wanted) limits.sel = &wanted;
  limits.radius = radius;
  limits.first_id = first_id;
  std::vector<int64_t> lists(queries.size());
  if (faiss_->quantiser) {
    probe(queries, probe_count(faiss_->windows_of_band, faiss_->list_count, compared), coarse);
    limits.probe_count = coarse.count;
    lists = coarse.lists;
  } else {
    limits.probe_count = 1;
  }
  for (int64_t& list : lists)
    list += list < 0 ? 0 : static_cast<int64_t>(band * faiss_->list_count);
  limits.lists = lists.data();
  std::vector<int32_t> distances(queries.size() * count_max);
  std::vector<faiss::Index::idx_t> labels(queries.size() * count_max);
  faiss_->index.search(static_cast<faiss::Index::idx_t>(queries.size()), bytes_of(queries),
                       static_cast<faiss::Index::idx_t>(count_max), distances.data(), labels.data(),
                       &limits);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) continue;
    hits.push_back(
        {static_cast<uint32_t>(i / count_max), labels[i], static_cast<uint32_t>(distances[i])});
  }
}

void WindowIndex::probe(std::span<const Window> queries, size_t count, CoarseProbes& coarse) const {
  if (coarse.digest == faiss_->quantiser_digest && coarse.list_count == faiss_->list_count &&
      coarse.count >= count) {
    return;
  }
  coarse.list_count = faiss_->list_count;
  coarse.digest = faiss_->quantiser_digest;
  coarse.count = count;
  std::vector<int32_t> distances(queries.size() * coarse.count);
  coarse.lists.resize(distances.size());
  faiss_->quantiser->search(static_cast<faiss::Index::idx_t>(queries.size()), bytes_of(queries),
                            static_cast<faiss::Index::idx_t>(coarse.count), distances.data(),
                            coarse.lists.data());
}

}  // namespace soundgate
