// What a whole store does while it grows: how fast precomputed fingerprints are taken in, how soon
// one enrolled is found, what 200 enrolled a second and the merges they bring, and a merge of
// everything, do to searches, and how long it takes to open. Prints a JSON object.
// usage: store_scale UPLOADS.tsv --references N [--scratch DIR]
// References are those of index_scale. A search is a whole upload of 60 s, its alignment included.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "index/index.h"
#include "perf/scale/synthetic_music.h"
#include "perf/scale/uploads.h"

namespace soundgate::scale {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kReferenceItems = 1729;  // 214 s
constexpr size_t kUploadItems = 485;      // 60 s
constexpr size_t kBatchReferences = 256;
constexpr int kSingles = 50;
constexpr int kQuietSearches = 400;
constexpr size_t kPacedPerSecond = 200;
constexpr size_t kPacedSeconds = 30;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

nlohmann::json percentiles(std::vector<double> values) {
  std::ranges::sort(values);
  if (values.empty()) return nullptr;
  const auto at = [&](double share) {
    return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
  };
  return {{"count", values.size()},
          {"p50_ms", at(0.5)},
          {"p99_ms", at(0.99)},
          {"max_ms", values.back()}};
}

template <class T>
T value_of(IndexResult<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

size_t matches_of(const Index& index, const BandedItems& items) {
  const auto session = index.match();
  session->append(0, items.of(Band::kFull));
  for (const Band band : {Band::kBass, Band::kTreble}) {
    session->append_view(view_of(band), 0, items.of(band));
  }
  return session->finish().size();
}

BandedItems excerpt_of(const BandedItems& whole, size_t first) {
  std::vector<Item> items;
  for (const Band band : kAllBands) {
    const auto part = whole.of(band).subspan(first, kUploadItems);
    items.insert(items.end(), part.begin(), part.end());
  }
  return {std::move(items), kBandCount};
}

double resident_mib() {
  std::ifstream status("/proc/self/statm");
  size_t total = 0, resident = 0;
  status >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

class StoreScale {
 public:
  StoreScale(const Uploads& uploads, std::filesystem::path store)
      : music_(uploads.tracks, 1), searched_(uploads.tracks, 2), store_(std::move(store)) {}

  nlohmann::json run(size_t references) {
    nlohmann::json json{{"references", references}};
    open();
    Bank bank;
    bank.name = "bank";
    value_of(index_->create_bank(bank));
    const auto begin = Clock::now();
    enroll(0, references, kBatchReferences);
    json["enrolled_per_second"] =
        static_cast<double>(references) / (milliseconds_since(begin) / 1000);
    settle();
    std::vector<double> quiet;
    for (int i = 0; i < kQuietSearches; ++i) quiet.push_back(search());
    json["search_quiet"] = percentiles(quiet);
    json["search_while_enrolling"] = searches_during([&] { enroll_paced(references); });
    json["search_while_merging"] = searches_during([&] { value_of(index_->merge()); });
    measure_singles(json);
    json["segments"] = index_->status().segment_count;
    json["complaints"] = index_->status().complaints;
    json["resident_mib"] = resident_mib();
    index_.reset();
    const auto opening = Clock::now();
    open();
    json["open_s"] = milliseconds_since(opening) / 1000;
    return json;
  }

 private:
  void open() { index_ = value_of(Index::open(store_, {.create = true, .owner = "store_scale"})); }

  EnrollRequest request_of(size_t number) {
    EnrollRequest request;
    request.bank = "bank";
    request.content_id = std::to_string(number);
    request.title = "title " + request.content_id;
    request.fingerprint = music_.make(kReferenceItems).fingerprint(kReferenceItems * kItemSeconds);
    return request;
  }

  void enroll(size_t first, size_t end, size_t batch) {
    for (; first < end; first += batch) {
      std::vector<EnrollRequest> requests;
      for (size_t i = first; i < std::min(first + batch, end); ++i) {
        requests.push_back(request_of(i));
      }
      for (auto& result : index_->enroll_all(requests)) value_of(std::move(result));
    }
  }

  // As a site takes in a feed; the keeper seals and merges meanwhile.
  void enroll_paced(size_t first) {
    constexpr size_t kAtOnce = 20;
    auto next = Clock::now();
    for (size_t i = 0; i < kPacedSeconds * kPacedPerSecond; i += kAtOnce) {
      enroll(first + i, first + i + kAtOnce, kAtOnce);
      next += std::chrono::milliseconds(1000 * kAtOnce / kPacedPerSecond);
      std::this_thread::sleep_until(next);
    }
  }

  // One after the other, on a thread of their own.
  template <class Work>
  nlohmann::json searches_during(Work work) {
    std::vector<double> taken;
    std::jthread searcher([&](const std::stop_token& over) {
      do taken.push_back(search());
      while (!over.stop_requested());
    });
    const auto begin = Clock::now();
    work();
    const double seconds = milliseconds_since(begin) / 1000;
    searcher.request_stop();
    searcher.join();
    nlohmann::json json = percentiles(taken);
    json["during_s"] = seconds;
    return json;
  }

  double search() {
    const BandedItems items = searched_.make(kUploadItems);
    const auto begin = Clock::now();
    matches_of(*index_, items);
    return milliseconds_since(begin);
  }

  // Until the keeper has had nothing to do for a while.
  void settle() {
    for (int64_t before = -1, quiet = 0; quiet < 30;) {
      const int64_t now = index_->status().segment_count;
      quiet = now == before ? quiet + 1 : 0;
      before = now;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }

  void measure_singles(nlohmann::json& json) {
    std::vector<double> acknowledged, found;
    for (int i = 0; i < kSingles; ++i) {
      EnrollRequest request = request_of(1'000'000'000 + static_cast<size_t>(i));
      const auto begin = Clock::now();
      value_of(index_->enroll(request));
      acknowledged.push_back(milliseconds_since(begin));
      if (matches_of(*index_, excerpt_of(BandedItems(request.fingerprint), 400)) == 0) {
        throw std::runtime_error("what was just enrolled is not found");
      }
      found.push_back(milliseconds_since(begin));
    }
    json["enroll_acknowledged"] = percentiles(acknowledged);
    json["enroll_found_by_a_search"] = percentiles(found);
  }

  SyntheticMusic music_, searched_;
  std::filesystem::path store_;
  std::unique_ptr<Index> index_;
};

void run(int argc, char** argv) {
  std::filesystem::path uploads, scratch = std::filesystem::temp_directory_path();
  size_t references = 10000;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--references" && i + 1 < argc) {
      references = std::strtoul(argv[++i], nullptr, 10);
    } else if (argument == "--scratch" && i + 1 < argc) {
      scratch = argv[++i];
    } else {
      uploads = argument;
    }
  }
  const auto store = scratch / ("store_scale." + std::to_string(getpid()));
  const Uploads read = read_uploads(uploads);
  const auto json = StoreScale(read, store).run(references);
  std::filesystem::remove_all(store);
  std::printf("%s\n", json.dump().c_str());
}

}  // namespace
}  // namespace soundgate::scale

int main(int argc, char** argv) {
  try {
    soundgate::scale::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "store_scale: %s\n", error.what());
    return 2;
  }
}
