// The one place where FAISS is spoken to: an inverted file of windows, or, where there are few, a
// flat one, with our own kernel, layout and quantiser under FAISS's interface.
// Errors: none; memory that runs out throws std::bad_alloc.
// Thread: const; searched by any.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "index/search/block_lists.h"

namespace soundgate {

struct QuantiserView;

// The lists that a quantiser gave a batch of queries: segments that were merged from each other
// share one, and ask it once.
struct CoarseProbes {
  uint64_t digest = 0;    // of the quantiser; 0: none yet
  size_t list_count = 0;  // that it chose from
  size_t count = 0;       // lists for each query
  std::vector<int64_t> lists;
};

class WindowIndex {
 public:
  struct Hit {
    uint32_t query;  // index into the queries
    WindowId window;
    uint32_t distance;  // in bits
  };

  // Both outlive it.
  WindowIndex(const BlockLists& lists, const QuantiserView& quantiser);
  ~WindowIndex();
  WindowIndex(const WindowIndex&) = delete;
  WindowIndex& operator=(const WindowIndex&) = delete;

  // Appends to `hits`, for each query, the nearest windows: those with ids from `first_id` on,
  // nearer than `radius`, that `is_wanted` (empty: all), and at most `count_max` of them; of
  // the lists, those of this band, and as many as `compared` windows are in (tuning.h).
  using IsWanted = std::function<bool(WindowId)>;
  void search(std::span<const Window> queries, size_t band, size_t compared, WindowId first_id,
              uint32_t radius, size_t count_max, const IsWanted& is_wanted, CoarseProbes& coarse,
              std::vector<Hit>& hits) const;

 private:
  struct Faiss;
  void probe(std::span<const Window> queries, size_t count, CoarseProbes& coarse) const;

  std::unique_ptr<Faiss> faiss_;
};

}  // namespace soundgate
