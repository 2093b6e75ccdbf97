// The one place where FAISS is spoken: a binary index of windows, flat, with our own kernel and
// layout under FAISS's interface, so that another FAISS index can take its place.
// Flat and exact: at up to some hundred thousand windows it beats every inverted file (README,
//   "Flat, transposed").
// Errors: none; memory that runs out throws std::bad_alloc.
// Thread: built by one; then const, and searched by any.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "index/search/window.h"

namespace soundgate {

class WindowIndex {
 public:
  struct Hit {
    uint32_t query;     // index into the queries
    uint32_t window;    // index into the windows
    uint32_t distance;  // in bits
  };

  explicit WindowIndex(std::span<const Window> windows);
  ~WindowIndex();
  WindowIndex(const WindowIndex&) = delete;
  WindowIndex& operator=(const WindowIndex&) = delete;

  size_t size() const;
  Window window(size_t index) const;

  // Appends to `hits`, for each query, the nearest windows: those from index `first` on, nearer
  // than `radius`, and at most `count_max` of them.
  void search(std::span<const Window> queries, size_t first, uint32_t radius, size_t count_max,
              std::vector<Hit>& hits) const;

 private:
  struct Faiss;
  std::unique_ptr<Faiss> faiss_;
};

}  // namespace soundgate
