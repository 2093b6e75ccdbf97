#include "index/search/segment_store.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace soundgate {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExtension = ".segment";

// 0: not the name of a segment.
uint64_t number_of(const fs::path& path) {
  const std::string stem = path.stem().string();
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), number);
  const bool whole = error == std::errc() && end == stem.data() + stem.size();
  return whole && path.extension() == kExtension ? number : 0;
}

Slot first_slot(const std::shared_ptr<const Segment>& segment) {
  return segment->slots().front().slot;
}
Slot last_slot(const std::shared_ptr<const Segment>& segment) {
  return segment->slots().back().slot;
}

bool share_a_slot(std::span<const SlotInfo> left, std::span<const SlotInfo> right) {
  auto l = left.begin();
  auto r = right.begin();
  while (l != left.end() && r != right.end()) {
    if (l->slot == r->slot) return true;
    if (l->slot < r->slot) {
      ++l;
    } else {
      ++r;
    }
  }
  return false;
}

// A merge that was written, but whose parts were not removed yet, holds all that they hold.
bool overlaps(const SegmentStore::Segments& segments, const Segment& other) {
  return std::ranges::any_of(
      segments, [&](const auto& segment) { return share_a_slot(segment->slots(), other.slots()); });
}

}  // namespace

fs::path SegmentStore::path_of(uint64_t number) const {
  return directory_ / (std::to_string(number) + kExtension);
}

IndexResult<SegmentStore::Segments> SegmentStore::open(Slot slot_end,
                                                       std::vector<std::string>& complaints) {
  std::error_code error;
  fs::create_directory(directory_, error);
  std::vector<fs::path> paths;
  for (fs::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    paths.push_back(entry->path());
  }
  if (error) {
    return tl::unexpected(IndexError{IndexError::Kind::kInputOutput,
                                     "cannot use " + directory_.string() + ": " + error.message()});
  }
  Segments found;
  for (const fs::path& path : paths) {
    const uint64_t number = number_of(path);
    next_number_ = std::max(next_number_, number + 1);
    if (number == 0) {
      if (path.extension() == ".new") fs::remove(path, error);  // of a merge that was cut short
      continue;
    }
    auto opened = Segment::open(path);
    if (opened && (*opened)->slots().empty()) {
      fs::remove(path, error);
    } else if (opened) {
      found.push_back(std::move(*opened));
    } else if (opened.error().kind == IndexError::Kind::kInputOutput) {
      return tl::unexpected(std::move(opened.error()));
    } else {
      complaints.push_back(opened.error().message + "; it is made again");
      fs::remove(path, error);
    }
  }
  std::ranges::sort(found, std::greater{},
                    [](const auto& segment) { return segment->window_count(); });
  Segments kept;
  for (auto& segment : found) {
    if (last_slot(segment) >= slot_end) {
      complaints.push_back(segment->image().path().string() +
                           " is of another catalogue; it is made again");
    } else if (!overlaps(kept, *segment)) {
      kept.push_back(std::move(segment));
      continue;
    }
    remove(*segment);
  }
  std::ranges::sort(kept, {}, first_slot);
  return kept;
}

IndexResult<std::shared_ptr<const Segment>> SegmentStore::write(Segment::Parts parts,
                                                                const Segment::IsLive& is_live) {
  const fs::path path = path_of(next_number_++);
  auto written = Segment::merge_into_file(parts, is_live, path);
  if (written) {
    (*written)->read_back();
    return written;
  }
  std::error_code ignored;  // what is half there only takes space
  fs::remove(path, ignored);
  fs::remove(path.string() + ".new", ignored);
  return written;
}

void SegmentStore::remove(const Segment& segment) {
  std::error_code ignored;  // it is removed as a leftover when the store is opened again
  if (!segment.image().path().empty()) fs::remove(segment.image().path(), ignored);
}

}  // namespace soundgate
