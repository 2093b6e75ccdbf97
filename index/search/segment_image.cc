#include "index/search/segment_image.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <system_error>

#include "index/search/checksum.h"

namespace soundgate {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'S', 'G', 'W', 'I', 'N', 'D', 'O', 'W'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kByteOrder = 0x01020304;
constexpr size_t kSectionBytes = 64;
constexpr size_t kPageBytes = 4096;
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

bool are_plausible(const SegmentCounts& counts) {
  const uint64_t all[] = {counts.slots,           counts.windows, counts.leaders,
                          counts.centroid_blocks, counts.lists,   counts.blocks};
  return counts.lists > 0 &&
         std::ranges::all_of(all, [](uint64_t count) { return count < kCountMax; });
}

}  // namespace

// Remembers which chunks have been looked at.
class SegmentImage::Guard final : public BlockGuard {
 public:
  explicit Guard(const SegmentImage& image)
      : base_(image.mapping_.data()),
        layout_(image.layout_),
        seen_(std::make_unique<std::atomic<bool>[]>(image.chunks())) {}

  bool is_sound(size_t block_begin, size_t block_end) const override {
    return are_sound(block_begin * sizeof(WindowBlock), block_end * sizeof(WindowBlock)) &&
           are_sound(id_offset(block_begin), id_offset(block_end));
  }
  bool is_damaged() const { return damaged_; }

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
      const bool fits = checksum({base_ + offset, bytes}) == checksums[c];
      if (fits) seen_[c].store(true, std::memory_order_relaxed);
      if (!fits) damaged_ = true;
      sound = sound && fits;
    }
    return sound;
  }

  const std::byte* base_;
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
  auto checked = check_header(*mapping);
  if (!checked) return tl::unexpected(about(path, std::move(checked.error())));
  const SegmentCounts counts = reinterpret_cast<const SegmentHeader*>(mapping->data())->counts;
  SegmentImage image(counts, std::move(*mapping), path);
  checked = image.check_guide();
  if (!checked) return tl::unexpected(about(path, std::move(checked.error())));
  image.guard_ = std::make_unique<Guard>(image);
  return image;
}

IndexResult<void> SegmentImage::check_header(const Mapping& mapping) {
  if (mapping.size() < sizeof(SegmentHeader)) return damaged("it is too short");
  const auto& header = *reinterpret_cast<const SegmentHeader*>(mapping.data());
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) return damaged("it is no segment");
  if (header.version != kVersion || header.byte_order != kByteOrder ||
      header.algorithm != kAlgorithm || header.window_items != kWindowItems ||
      header.reference_stride != kReferenceStride) {
    return tl::unexpected(IndexError{IndexError::Kind::kConflict, "it has another format"});
  }
  if (header.header_digest != digest_of(header)) return damaged("its header has changed");
  if (!are_plausible(header.counts)) return damaged("it counts what cannot be");
  if (Layout(header.counts).end != mapping.size()) return damaged("its size is another");
  return {};
}

IndexResult<void> SegmentImage::check_guide() const {
  if (checksum(guide()) != header().guide_digest) return damaged("its guide has changed");
  return {};
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
  head.guide_digest = checksum(guide());
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

bool SegmentImage::is_damaged() const { return guard_ != nullptr && guard_->is_damaged(); }

std::span<const std::byte> SegmentImage::guide() const {
  return {mapping_.data() + layout_.checksums, layout_.blocks - layout_.checksums};
}

std::span<const std::byte> SegmentImage::chunk(size_t index) const {
  const size_t begin = layout_.blocks + index * kChunkBytes;
  return {mapping_.data() + begin, std::min(kChunkBytes, layout_.end - begin)};
}

}  // namespace soundgate
