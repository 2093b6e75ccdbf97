#include "index/search/window_index.h"

#include "index/search/flat_index.h"

namespace soundgate {
namespace {

const uint8_t* bytes_of(std::span<const Window> windows) {
  return reinterpret_cast<const uint8_t*>(windows.data());
}

}  // namespace

struct WindowIndex::Faiss {
  std::unique_ptr<faiss::IndexBinary> index;
};

WindowIndex::WindowIndex(std::span<const Window> windows)
    : faiss_(std::make_unique<Faiss>(Faiss{std::make_unique<FlatIndex>()})) {
  faiss_->index->add(static_cast<faiss::Index::idx_t>(windows.size()), bytes_of(windows));
}

WindowIndex::~WindowIndex() = default;

size_t WindowIndex::size() const { return static_cast<size_t>(faiss_->index->ntotal); }

Window WindowIndex::window(size_t index) const {
  Window window;
  faiss_->index->reconstruct(static_cast<faiss::Index::idx_t>(index),
                             reinterpret_cast<uint8_t*>(window.data()));
  return window;
}

void WindowIndex::search(std::span<const Window> queries, size_t first, uint32_t radius,
                         size_t count_max, std::vector<Hit>& hits) const {
  FlatSearchParameters limits;
  limits.radius = radius;
  limits.first = first;
  std::vector<int32_t> distances(queries.size() * count_max);
  std::vector<faiss::Index::idx_t> labels(queries.size() * count_max);
  faiss_->index->search(static_cast<faiss::Index::idx_t>(queries.size()), bytes_of(queries),
                        static_cast<faiss::Index::idx_t>(count_max), distances.data(),
                        labels.data(), &limits);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) continue;
    hits.push_back({static_cast<uint32_t>(i / count_max), static_cast<uint32_t>(labels[i]),
                    static_cast<uint32_t>(distances[i])});
  }
}

}  // namespace soundgate
