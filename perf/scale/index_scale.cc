// How the search grows with the number of references: memory, the time to add, write and open them,
// CPU per upload, and how often an attacked excerpt still meets its reference. Prints a JSON
// object. usage: index_scale UPLOADS.tsv --references N [--scratch DIR] [--uploads N] UPLOADS.tsv
// is what make_uploads.py makes. References are of 214 s: the real tracks, as far as there is room,
// and made-up ones (synthetic_music.h). CPU times are the thread's own.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "index/align/candidates.h"
#include "index/align/limits.h"
#include "index/limits.h"
#include "index/search/segment.h"
#include "index/search/tuning.h"
#include "perf/scale/synthetic_music.h"
#include "perf/scale/uploads.h"

namespace soundgate::scale {
namespace {

using Segments = std::vector<std::shared_ptr<const Segment>>;

constexpr size_t kReferenceItems = 1729;  // 214 s
constexpr size_t kBatchReferences = 256;
constexpr int kOffsetTolerance = 8;  // items: the alignment refines by less

struct Options {
  std::filesystem::path uploads;
  std::filesystem::path scratch = std::filesystem::temp_directory_path();
  size_t references = 1000;
  size_t cost_uploads = 20;
};

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class Work>
double cpu_seconds_of(Work work) {
  const double before = cpu_seconds();
  work();
  return cpu_seconds() - before;
}

size_t resident_bytes() {
  std::ifstream status("/proc/self/statm");
  size_t total = 0, resident = 0;
  status >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Larger ones are left as they are until all go into the file: there is no memory for both.
constexpr size_t kMergedWindowsMax = 30'000'000;

// As LocalIndex does: like carries.
void add(Segments& segments, std::shared_ptr<const Segment> segment) {
  size_t windows = segment->window_count();
  segments.push_back(std::move(segment));
  size_t first = segments.size() - 1;
  while (first > 0 && segments[first - 1]->window_count() < 2 * windows &&
         windows + segments[first - 1]->window_count() <= kMergedWindowsMax) {
    windows += segments[--first]->window_count();
  }
  if (first + 1 == segments.size()) return;
  const Segment::Parts parts = std::span(segments).subspan(first);
  auto merged = std::make_shared<const Segment>(parts, [](Slot) { return true; });
  segments.resize(first);
  segments.push_back(std::move(merged));
}

Segments build(const Options& options, const Uploads& uploads) {
  SyntheticMusic music(uploads.tracks, 1);
  Segments segments;
  for (size_t begin = 0; begin < options.references; begin += kBatchReferences) {
    const size_t end = std::min(begin + kBatchReferences, options.references);
    std::vector<BandedItems> made;
    std::vector<SlotItems> references;
    for (size_t i = begin; i < end; ++i) {
      made.push_back(i < uploads.tracks.size() ? uploads.tracks[i] : music.make(kReferenceItems));
    }
    for (size_t i = begin; i < end; ++i) {
      references.push_back({static_cast<Slot>(i), &made[i - begin], 0});
    }
    add(segments, std::make_shared<const Segment>(references));
  }
  return segments;
}

QueryWindows windows_of(std::span<const Item> items, uint32_t begin, uint32_t end,
                        uint32_t stride) {
  QueryWindows windows;
  for (uint32_t first = begin; first < end; first += stride) {
    if (first + kWindowItems > items.size()) break;
    const WindowItems window = items.subspan(first).first<kWindowItems>();
    if (!is_informative(window)) continue;
    windows.windows.push_back(pack_window(window));
    windows.items.push_back(first);
  }
  return windows;
}

// In batches, as a session does.
std::vector<WindowHit> search(const Segments& segments, std::span<const Item> items, Band band) {
  std::vector<WindowHit> hits;
  for (uint32_t begin = 0; begin < items.size();) {
    const uint32_t stride = begin < kFirstItems ? kFirstQueryStride : kQueryStride;
    const uint32_t end = begin + stride * static_cast<uint32_t>(kSearchBatchWindows);
    const QueryWindows windows = windows_of(items, begin, end, stride);
    CoarseProbes coarse;
    for (const auto& segment : segments) {
      segment->search(windows, {.band = band}, {}, hits, coarse);
    }
    begin = end;
  }
  return hits;
}

bool is_right(const Upload& upload, Slot slot, double query_item, double reference_item) {
  const double wanted = upload.first_item + query_item * upload.speed();
  return slot == upload.track && std::abs(reference_item - wanted) <= kOffsetTolerance;
}

size_t right_hits(const Upload& upload, std::span<const WindowHit> hits) {
  std::vector<uint32_t> windows;  // of the upload; each counts once
  for (const WindowHit& hit : hits) {
    if (is_right(upload, hit.slot, hit.query_item, hit.reference_item)) {
      windows.push_back(hit.query_item);
    }
  }
  std::ranges::sort(windows);
  const auto twice = std::ranges::unique(windows);
  return windows.size() - twice.size();
}

bool has_right_candidate(const Upload& upload, std::span<const WindowHit> hits) {
  Candidates candidates;
  candidates.add(hits);
  std::vector<Candidate> heaviest = candidates.take();
  heaviest.resize(std::min(heaviest.size(), aligned_candidates_max(upload.items.count())));
  return std::ranges::any_of(heaviest, [&](const Candidate& candidate) {
    const double item = candidate.query_item;
    return is_right(upload, candidate.slot, item, item + candidate.offset);
  });
}

// Recall against what exact search of the right reference alone finds, in any band.
struct Recall {
  size_t uploads = 0, exact = 0, found = 0, exact_hits = 0, found_hits = 0;

  void count(const Upload& upload, const Segments& right_alone, const Segments& all) {
    ++uploads;
    bool is_exact = false, is_found = false;
    for (const Band band : kAllBands) {
      const auto exact_of = search(right_alone, upload.items.of(band), band);
      const auto found_of = search(all, upload.items.of(band), band);
      is_exact |= has_right_candidate(upload, exact_of);
      is_found |= has_right_candidate(upload, found_of);
      exact_hits += right_hits(upload, exact_of);
      found_hits += right_hits(upload, found_of);
    }
    exact += is_exact;
    found += is_found;
  }
  nlohmann::json json() const {
    return {{"uploads", uploads},
            {"exact", exact},
            {"found", found},
            {"exact_hits", exact_hits},
            {"found_hits", found_hits}};
  }
};

nlohmann::json measure_recall(const Segments& segments, const Uploads& uploads) {
  std::map<std::string, Recall> recall;
  for (const Upload& upload : uploads.uploads) {
    const SlotItems reference{static_cast<Slot>(upload.track), &uploads.tracks[upload.track], 0};
    const Segments alone{std::make_shared<const Segment>(std::span(&reference, 1))};
    recall[upload.kind].count(upload, alone, segments);
  }
  nlohmann::json json;
  for (const auto& [kind, counted] : recall) json[kind] = counted.json();
  return json;
}

nlohmann::json measure_cost(const Options& options, const Segments& segments,
                            const Uploads& uploads) {
  SyntheticMusic music(uploads.tracks, 2);
  std::vector<double> milliseconds;
  size_t hits = 0;
  for (size_t i = 0; i < options.cost_uploads; ++i) {
    const BandedItems items = music.make(kReferenceItems);
    milliseconds.push_back(1000 * cpu_seconds_of([&] {
                             for (const Band band : kAllBands) {
                               hits += search(segments, items.of(band), band).size();
                             }
                           }));
  }
  std::ranges::sort(milliseconds);
  return {
      {"median_ms", milliseconds[milliseconds.size() / 2]},
      {"max_ms", milliseconds.back()},
      {"hits_per_upload", static_cast<double>(hits) / static_cast<double>(options.cost_uploads)}};
}

void run(const Options& options) {
  const Uploads uploads = read_uploads(options.uploads);
  nlohmann::json json{{"references", options.references}};
  double generate = 0;
  {
    SyntheticMusic music(uploads.tracks, 1);
    generate = cpu_seconds_of([&] {
                 for (int i = 0; i < 100; ++i) music.make(kReferenceItems);
               }) /
               100;
  }
  Segments segments;
  const size_t before = resident_bytes();
  const double seconds = cpu_seconds_of([&] { segments = build(options, uploads); });
  size_t windows = 0;
  for (const auto& segment : segments) windows += segment->window_count();
  json["windows"] = windows;
  json["segments"] = segments.size();
  json["memory_bytes"] = resident_bytes() - before;
  json["add_ms_per_reference"] =
      1000 * (seconds / static_cast<double>(options.references) - generate);
  json["search"] = measure_cost(options, segments, uploads);

  const auto path = options.scratch / ("index_scale." + std::to_string(getpid()));
  json["write_cpu_s"] = cpu_seconds_of([&] {
    auto made = Segment::merge_into_file(
        segments, [](Slot) { return true; }, path);
    if (!made) throw std::runtime_error(made.error().message);
  });
  segments.clear();
  json["open_cpu_s"] = cpu_seconds_of([&] {
    auto opened = Segment::open(path);
    if (!opened) throw std::runtime_error(opened.error().message);
    segments.push_back(*opened);
  });
  json["lists"] = segments.front()->image().lists().list_count();
  json["file_bytes"] = std::filesystem::file_size(path);
  std::filesystem::remove(path);
  json["file_first_search"] = measure_cost(options, segments, uploads);
  json["file_search"] = measure_cost(options, segments, uploads);
  json["file_recall"] = measure_recall(segments, uploads);
  json["file_resident_bytes"] = resident_bytes() - before;
  std::printf("%s\n", json.dump().c_str());
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--references" && i + 1 < argc) {
      options.references = std::strtoul(argv[++i], nullptr, 10);
    } else if (argument == "--uploads" && i + 1 < argc) {
      options.cost_uploads = std::strtoul(argv[++i], nullptr, 10);
    } else if (argument == "--scratch" && i + 1 < argc) {
      options.scratch = argv[++i];
    } else {
      options.uploads = argument;
    }
  }
  return options;
}

}  // namespace
}  // namespace soundgate::scale

int main(int argc, char** argv) {
  try {
    soundgate::scale::run(soundgate::scale::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "index_scale: %s\n", error.what());
    return 2;
  }
}
