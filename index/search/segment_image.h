// The bytes of a segment, the same in memory and in a file that is mapped.
// Layout, each section from a multiple of 64 bytes on, in this order:
//   header          SegmentHeader
//   checksums       uint64_t for each kChunkBytes of blocks and ids
//   slots           SlotInfo, by slot
//   leaders         Window                      the quantiser; empty where there is one list
//   leader_begin    uint32_t, leaders + 1       in centroid blocks
//   centroid_ids    WindowId, 8 for each of
//   centroids       WindowBlock
//   list_begin      uint32_t, lists + 1         in blocks; for each band, one for each centroid
//   blocks          WindowBlock, from a page on
//   ids             WindowId, 8 for each block  (segment.h)
// A file is written under another name, synced and renamed: what bears the name is whole. All but
// blocks and ids is verified when it is opened, those chunk by chunk on first use.
// Files are of one machine: another byte order or another version is refused, and rebuilt.
// Errors: IndexError: kCorrupt, kConflict (another version or format), kInputOutput.
// Thread: built by one; then const, and read by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/index.h"
#include "index/search/block_lists.h"
#include "index/search/mapping.h"
#include "index/search/quantiser.h"

namespace soundgate {

// What a segment knows of each of its references.
struct SlotInfo {
  uint32_t slot = 0;
  uint32_t item_count = 0;  // of each band
  uint32_t band_count = 1;
  uint32_t window_count = 0;
  uint32_t informative_items = 0;  // of kFull
  uint32_t reserved = 0;
  int64_t enrolled_ms = 0;  // of its row, since 1970: tells it from another that got its number
};

struct SegmentCounts {
  uint64_t slots = 0, windows = 0, leaders = 0, centroid_blocks = 0, lists = 1, blocks = 0;
};

struct SegmentHeader {
  char magic[8];
  uint32_t version;
  uint32_t byte_order;
  uint32_t algorithm;
  uint32_t window_items;
  uint32_t reference_stride;
  uint32_t reserved;
  SegmentCounts counts;
  uint64_t quantiser_digest;
  uint64_t guide_digest;   // of what lies between the header and the blocks
  uint64_t header_digest;  // of what lies before it
};

class SegmentImage {
 public:
  static constexpr size_t kChunkBytes = 16 * 1024;

  // All zeroes, to be filled.
  explicit SegmentImage(const SegmentCounts& counts);
  // The same in a file, which has its name from seal() on.
  static IndexResult<SegmentImage> in_file(const std::filesystem::path& path,
                                           const SegmentCounts& counts);
  static IndexResult<SegmentImage> open(const std::filesystem::path& path);
  ~SegmentImage();
  SegmentImage(SegmentImage&&) noexcept;
  SegmentImage& operator=(SegmentImage&&) noexcept;
  // What was filled is final. With a file: it is on disk, and has its name.
  IndexResult<void> seal(uint64_t quantiser_digest);

  const SegmentCounts& counts() const { return counts_; }
  std::span<SlotInfo> slots() { return section<SlotInfo>(layout_.slots, counts_.slots); }
  std::span<Window> leaders() { return section<Window>(layout_.leaders, counts_.leaders); }
  std::span<uint32_t> leader_begin();
  std::span<WindowId> centroid_ids();
  std::span<WindowBlock> centroids();
  std::span<uint32_t> list_begin();
  std::span<WindowBlock> blocks();
  std::span<WindowId> ids();

  std::span<const SlotInfo> slots() const { return mutable_this().slots(); }
  QuantiserView quantiser() const;
  BlockLists lists() const;
  const std::filesystem::path& path() const { return path_; }  // empty: in memory
  // Whether a chunk has been found that is not as it was written.
  bool is_damaged() const;
  // Of a file: reads all of it anew, past what the system remembers of it, where the file system
  // lets it, and notes what is not as it was written. `stop` is asked now and then.
  std::vector<Damage> scrub(const std::function<bool()>& stop) const;
  size_t bytes() const { return layout_.end; }

 private:
  // Where each section begins, in bytes.
  struct Layout {
    explicit Layout(const SegmentCounts& counts);
    size_t checksums, slots, leaders, leader_begin, centroid_ids, centroids, list_begin, blocks,
        ids, end;
    size_t chunk_count() const { return (end - blocks + kChunkBytes - 1) / kChunkBytes; }
  };
  class Guard;

  SegmentImage(const SegmentCounts& counts, Mapping mapping, std::filesystem::path path);
  static IndexResult<SegmentHeader> read_header(const Mapping& mapping);
  IndexResult<void> check_guide(const SegmentHeader& header) const;
  IndexResult<uint64_t> guide_digest() const;
  bool are_slots_right() const;
  bool is_quantiser_right(uint64_t digest) const;

  template <class T>
  std::span<T> section(size_t offset, size_t count) {
    return {reinterpret_cast<T*>(mapping_.data() + offset), count};
  }
  // The sections' spans are const where this is: only their names are shared.
  SegmentImage& mutable_this() const { return const_cast<SegmentImage&>(*this); }
  SegmentHeader& header() const { return *reinterpret_cast<SegmentHeader*>(mapping_.data()); }
  std::span<const std::byte> chunk(size_t index) const;
  std::span<uint64_t> checksums() { return section<uint64_t>(layout_.checksums, chunks()); }
  void note_damage() const;
  size_t chunks() const { return layout_.chunk_count(); }

  SegmentCounts counts_;
  Layout layout_;
  Mapping mapping_;
  std::filesystem::path path_;    // empty: in memory
  std::unique_ptr<Guard> guard_;  // of a file
};

}  // namespace soundgate
