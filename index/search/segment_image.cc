#include "index/search/segment_image.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <system_error>

#include "index/limits.h"
#include "index/search/checksum.h"

namespace soundgate {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'S', 'G', 'W', 'I', 'N', 'D', 'O', 'W'};
constexpr uint32_t kVersion = 2;
constexpr uint32_t kByteOrder = 0x01020304;
constexpr size_t kSectionBytes = 64;
constexpr size_t kPageBytes = 4096;
constexpr size_t kReadBytes = 1024 * 1024;
constexpr uint64_t kCountMax = uint64_t{1} << 32;  // of anything: sizes cannot overflow

size_t round_up(size_t bytes, size_t multiple) {
  return (bytes + multiple - 1) / multiple * multiple;
}

tl::unexpected<IndexError> damaged(std::string what) {
  return tl::unexpected(IndexError{IndexError::Kind::kCorrupt, "it is damaged: " + what});
}

IndexError about(const fs::path& path, IndexError error) {
  error.message = "segment " + path.string() + ": " + error.message;
  return error;
}

fs::path unfinished(const fs::path& path) { return path.string() + ".new"; }

uint64_t digest_of(const SegmentHeader& header) {
  return checksum(
      {reinterpret_cast<const std::byte*>(&header), offsetof(SegmentHeader, header_digest)});
}

// Each begins where the one before ends, and the last one at the end.
bool are_runs(std::span<const uint32_t> begin, uint64_t end) {
  return begin.front() == 0 && begin.back() == end && std::ranges::is_sorted(begin);
}

bool are_plausible(const SegmentCounts& counts) {
  const uint64_t all[] = {counts.slots,           counts.windows, counts.leaders,
                          counts.centroid_blocks, counts.lists,   counts.blocks};
  return counts.lists > 0 &&
         std::ranges::all_of(all, [](uint64_t count) { return count < kCountMax; }) &&
         counts.windows <= counts.blocks * kBlockWindows;
}

}  // namespace

// Remembers which chunks have been looked at.
class SegmentImage::Guard final : public BlockGuard {
 public:
  explicit Guard(const SegmentImage& image)
      : base_(image.mapping_.data()),
        descriptor_(image.mapping_.descriptor()),
        layout_(image.layout_),
        seen_(std::make_unique<std::atomic<bool>[]>(image.chunks())) {}

  bool is_sound(size_t block_begin, size_t block_end) const override {
    return are_sound(block_begin * sizeof(WindowBlock), block_end * sizeof(WindowBlock)) &&
           are_sound(id_offset(block_begin), id_offset(block_end));
  }
  bool is_damaged() const { return damaged_; }
  void note_damage() const { damaged_ = true; }

 private:
  size_t id_offset(size_t block) const {
    return layout_.ids - layout_.blocks + block * kBlockWindows * sizeof(WindowId);
  }
  bool are_sound(size_t begin, size_t end) const {
    if (begin == end) return true;
    bool sound = true;
    for (size_t c = begin / kChunkBytes; c <= (end - 1) / kChunkBytes; ++c) {
      if (seen_[c].load(std::memory_order_relaxed)) continue;
      const size_t offset = layout_.blocks + c * kChunkBytes;
      const size_t bytes = std::min(kChunkBytes, layout_.end - offset);
      const auto* checksums = reinterpret_cast<const uint64_t*>(base_ + layout_.checksums);
      thread_local std::array<std::byte, kChunkBytes> buffer;
      const std::span chunk = std::span(buffer).first(bytes);
      const bool fits = read_all(descriptor_, offset, chunk) && checksum(chunk) == checksums[c];
      if (fits) seen_[c].store(true, std::memory_order_relaxed);
      if (!fits) damaged_ = true;
      sound = sound && fits;
    }
    return sound;
  }

  const std::byte* base_;
  int descriptor_;
  Layout layout_;
  std::unique_ptr<std::atomic<bool>[]> seen_;
  mutable std::atomic<bool> damaged_ = false;
};

SegmentImage::Layout::Layout(const SegmentCounts& counts) {
  size_t at = sizeof(SegmentHeader);
  const auto take = [&](size_t count, size_t bytes, size_t alignment = kSectionBytes) {
    const size_t begin = round_up(at, alignment);
    at = begin + count * bytes;
    return begin;
  };
  const size_t body_bytes =
      counts.blocks * (sizeof(WindowBlock) + kBlockWindows * sizeof(WindowId));
  checksums = take((body_bytes + kChunkBytes - 1) / kChunkBytes, sizeof(uint64_t));
  slots = take(counts.slots, sizeof(SlotInfo));
  leaders = take(counts.leaders, sizeof(Window));
  leader_begin = take(counts.leaders + 1, sizeof(uint32_t));
  centroid_ids = take(counts.centroid_blocks, kBlockWindows * sizeof(WindowId));
  centroids = take(counts.centroid_blocks, sizeof(WindowBlock));
  list_begin = take(counts.lists + 1, sizeof(uint32_t));
  blocks = take(counts.blocks, sizeof(WindowBlock), kPageBytes);
  ids = take(counts.blocks, kBlockWindows * sizeof(WindowId));
  end = at;
}

SegmentImage::SegmentImage(const SegmentCounts& counts, Mapping mapping, fs::path path)
    : counts_(counts), layout_(counts), mapping_(std::move(mapping)), path_(std::move(path)) {}

SegmentImage::SegmentImage(const SegmentCounts& counts)
    : SegmentImage(counts, Mapping(Layout(counts).end), {}) {}

SegmentImage::~SegmentImage() = default;
SegmentImage::SegmentImage(SegmentImage&&) noexcept = default;
SegmentImage& SegmentImage::operator=(SegmentImage&&) noexcept = default;

IndexResult<SegmentImage> SegmentImage::in_file(const fs::path& path, const SegmentCounts& counts) {
  auto mapping = Mapping::create(unfinished(path), Layout(counts).end);
  if (!mapping) return tl::unexpected(std::move(mapping.error()));
  return SegmentImage(counts, std::move(*mapping), path);
}

IndexResult<SegmentImage> SegmentImage::open(const fs::path& path) {
  auto mapping = Mapping::open(path);
  if (!mapping) return tl::unexpected(std::move(mapping.error()));
  auto header = read_header(*mapping);
  if (!header) return tl::unexpected(about(path, std::move(header.error())));
  SegmentImage image(header->counts, std::move(*mapping), path);
  auto checked = image.check_guide(*header);
  if (!checked) return tl::unexpected(about(path, std::move(checked.error())));
  image.guard_ = std::make_unique<Guard>(image);
  return image;
}

IndexResult<SegmentHeader> SegmentImage::read_header(const Mapping& mapping) {
  if (mapping.size() < sizeof(SegmentHeader)) return damaged("it is too short");
  SegmentHeader header;
  if (!mapping.read(0, std::as_writable_bytes(std::span(&header, 1)))) {
    return damaged("its header cannot be read");
  }
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) return damaged("it is no segment");
  if (header.version != kVersion || header.byte_order != kByteOrder ||
      header.algorithm != kAlgorithm || header.window_items != kWindowItems ||
      header.reference_stride != kReferenceStride) {
    return tl::unexpected(IndexError{IndexError::Kind::kConflict, "it has another format"});
  }
  if (header.header_digest != digest_of(header)) return damaged("its header has changed");
  if (!are_plausible(header.counts)) return damaged("it counts what cannot be");
  if (Layout(header.counts).end != mapping.size()) return damaged("its size is another");
  return header;
}

// What the guide says is where everything else is looked for: it has to be right in itself, too,
// whoever wrote it.
IndexResult<void> SegmentImage::check_guide(const SegmentHeader& header) const {
  const auto digest = guide_digest();
  if (!digest) return tl::unexpected(digest.error());
  if (*digest != header.guide_digest) return damaged("its guide has changed");
  SegmentImage& image = mutable_this();
  if (!are_runs(image.list_begin(), counts_.blocks)) return damaged("its lists are not in order");
  if (!are_slots_right()) return damaged("its slots are not in order");
  if (!is_quantiser_right(header.quantiser_digest)) {
    return damaged("its quantiser is not in order");
  }
  return {};
}

// Read from the file, not through the mapping.
IndexResult<uint64_t> SegmentImage::guide_digest() const {
  std::vector<std::byte> buffer(std::min(kReadBytes, layout_.blocks));
  RunningChecksum digest;
  for (size_t at = layout_.checksums; at < layout_.blocks;) {
    const auto piece = std::span(buffer).first(std::min(buffer.size(), layout_.blocks - at));
    if (!mapping_.read(at, piece)) return damaged("its guide cannot be read");
    digest.add(piece);
    at += piece.size();
  }
  return digest.value();
}

bool SegmentImage::are_slots_right() const {
  uint64_t windows = 0;
  const SlotInfo* last = nullptr;
  for (const SlotInfo& info : slots()) {
    if (last != nullptr && info.slot <= last->slot) return false;
    if (info.slot >= kSlotsMax || info.item_count > kItemsMax ||
        info.informative_items > info.item_count ||
        (info.band_count != 1 && info.band_count != kBandCount) ||
        info.window_count > info.band_count * (info.item_count / kReferenceStride + 1)) {
      return false;
    }
    windows += info.window_count;
    last = &info;
  }
  return windows == counts_.windows;
}

// Its centroids are the lists of each band, by number, with places to spare at the ends only.
bool SegmentImage::is_quantiser_right(uint64_t digest) const {
  SegmentImage& image = mutable_this();
  if (counts_.leaders == 0) return counts_.lists == kBandCount && counts_.centroid_blocks == 0;
  if (!are_runs(image.leader_begin(), counts_.centroid_blocks)) return false;
  const BlockLists centroids = {image.leader_begin(), image.centroids(), image.centroid_ids()};
  WindowId list = 0;
  for (size_t leader = 0; leader < counts_.leaders; ++leader) {
    for (const WindowId id : centroids.ids_of(leader)) {
      if (id != list++) return false;
    }
  }
  return kBandCount * static_cast<uint64_t>(list) == counts_.lists &&
         digest == quantiser_digest(image.leaders(), image.centroids());
}

IndexResult<void> SegmentImage::seal(uint64_t quantiser_digest) {
  SegmentHeader& head = header();
  head = {};
  std::memcpy(head.magic, kMagic, sizeof(kMagic));
  head.version = kVersion;
  head.byte_order = kByteOrder;
  head.algorithm = static_cast<uint32_t>(kAlgorithm);
  head.window_items = kWindowItems;
  head.reference_stride = kReferenceStride;
  head.counts = counts_;
  head.quantiser_digest = quantiser_digest;
  if (path_.empty()) return {};  // memory needs no checksums

  for (size_t c = 0; c < chunks(); ++c) checksums()[c] = checksum(chunk(c));
  head.guide_digest =
      checksum({mapping_.data() + layout_.checksums, layout_.blocks - layout_.checksums});
  head.header_digest = digest_of(head);
  if (auto sealed = mapping_.seal(unfinished(path_)); !sealed) return sealed;
  std::error_code error;
  fs::rename(unfinished(path_), path_, error);
  if (error) {
    return tl::unexpected(
        IndexError{IndexError::Kind::kInputOutput,
                   "cannot rename " + unfinished(path_).string() + ": " + error.message()});
  }
  guard_ = std::make_unique<Guard>(*this);  // from now on it is read back from the disk
  return sync_directory(path_.parent_path());
}

std::span<uint32_t> SegmentImage::leader_begin() {
  return section<uint32_t>(layout_.leader_begin, counts_.leaders + 1);
}
std::span<WindowId> SegmentImage::centroid_ids() {
  return section<WindowId>(layout_.centroid_ids, counts_.centroid_blocks * kBlockWindows);
}
std::span<WindowBlock> SegmentImage::centroids() {
  return section<WindowBlock>(layout_.centroids, counts_.centroid_blocks);
}
std::span<uint32_t> SegmentImage::list_begin() {
  return section<uint32_t>(layout_.list_begin, counts_.lists + 1);
}
std::span<WindowBlock> SegmentImage::blocks() {
  return section<WindowBlock>(layout_.blocks, counts_.blocks);
}
std::span<WindowId> SegmentImage::ids() {
  return section<WindowId>(layout_.ids, counts_.blocks * kBlockWindows);
}

QuantiserView SegmentImage::quantiser() const {
  SegmentImage& image = mutable_this();
  if (counts_.leaders == 0) return {};
  return {image.leaders(),
          {image.leader_begin(), image.centroids(), image.centroid_ids()},
          header().quantiser_digest};
}

BlockLists SegmentImage::lists() const {
  SegmentImage& image = mutable_this();
  return {image.list_begin(), image.blocks(), image.ids(), guard_.get()};
}

void SegmentImage::note_damage() const {
  if (guard_ != nullptr) guard_->note_damage();
}

bool SegmentImage::is_damaged() const { return guard_ != nullptr && guard_->is_damaged(); }

std::span<const std::byte> SegmentImage::chunk(size_t index) const {
  const size_t begin = layout_.blocks + index * kChunkBytes;
  return {mapping_.data() + begin, std::min(kChunkBytes, layout_.end - begin)};
}

}  // namespace soundgate
