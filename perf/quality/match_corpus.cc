// Matches every impostor and upload of a corpus against its references and distractors, and writes
// what was found, a JSON object a line; report.py says what it is worth.
// usage: quality_match CORPUS soundgate|soundgate-near|soundgate-wide|acoustid|acoustid-whole
// The methods with probes match what has probes: other uploads' lines are left out.
// Output: {name, cpu_seconds, matches[]: {reference, score, threshold, segments[]: {upload_start,
//   upload_end, reference_start, reference_end, speed, confidence}}}; AcoustID's have no segments.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "index/index.h"
#include "perf/quality/acoustid.h"
#include "perf/quality/corpus.h"

namespace soundgate::quality {
namespace {

using nlohmann::json;
using Search = std::function<json(const Row&)>;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class T>
T value_of(IndexResult<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

json json_of(const MatchSegment& segment) {
  return {{"upload_start", segment.query_start},    {"upload_end", segment.query_end},
          {"reference_start", segment.asset_start}, {"reference_end", segment.asset_end},
          {"speed", segment.audio_speed},           {"confidence", segment.confidence}};
}

// The items as they arrive: a second at a time.
json search_index(const Index& index, const Row& row, const std::vector<ProbeRun>& probes) {
  const auto session = index.match();
  for (size_t i = 0; i < row.items.size(); i += 8) {
    const auto first = static_cast<uint32_t>(i);
    const size_t count = std::min<size_t>(8, row.items.size() - i);
    session->append(first, std::span(row.items).subspan(i, count));
    session->append_view(view_of(Band::kBass), first, std::span(row.bass).subspan(i, count));
    session->append_view(view_of(Band::kTreble), first, std::span(row.treble).subspan(i, count));
  }
  for (const ProbeRun& run : probes) session->append_view(run.view, run.first_item, run.items);
  json matches = json::array();
  for (const Match& match : session->finish()) {
    json segments = json::array();
    for (const MatchSegment& segment : match.segments) segments.push_back(json_of(segment));
    matches.push_back({{"reference", match.content_id},
                       {"score", match.score},
                       {"threshold", match.threshold},
                       {"segments", std::move(segments)}});
  }
  return matches;
}

// A store of its own, which goes with it.
class TemporaryStore {
 public:
  TemporaryStore() { std::filesystem::remove_all(path_); }
  ~TemporaryStore() { std::filesystem::remove_all(path_); }
  TemporaryStore(const TemporaryStore&) = delete;
  TemporaryStore& operator=(const TemporaryStore&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / ("quality." + std::to_string(getpid()));
};

void enrol(Index& index, const std::vector<Row>& rows) {
  constexpr size_t kBatch = 500;
  std::vector<EnrollRequest> batch;
  const auto flush = [&] {
    for (auto& result : index.enroll_all(batch)) value_of(std::move(result));
    batch.clear();
  };
  for (const Row& row : rows) {
    if (!row.is_reference()) continue;
    batch.push_back({"music", row.name, row.name, "{}", fingerprint_of(row), std::nullopt});
    if (batch.size() == kBatch) flush();
  }
  flush();
}

Search soundgate_search(const std::filesystem::path& corpus, const std::vector<Row>& rows,
                        Probes probes) {
  struct Store {
    TemporaryStore directory;
    std::unique_ptr<Index> index;
  };
  auto store = std::make_shared<Store>();
  store->index =
      value_of(Index::open(store->directory.path(), {.create = true, .owner = "quality_match"}));
  Bank bank;
  bank.name = "music";
  bank.probes = probes;
  value_of(store->index->create_bank(bank));
  enrol(*store->index, rows);
  const IndexStatus status = store->index->status();
  std::fprintf(stderr, "quality: %ld references, %ld windows, %.0f s of audio\n",
               status.reference_count, status.window_count, status.reference_seconds);
  const int step_max = probe_step_max(probes);
  return [store, corpus, step_max](const Row& row) {
    std::vector<ProbeRun> runs;
    if (step_max > 0) {
      runs = read_probes(corpus, row);
      if (runs.empty()) return json(nullptr);
      std::erase_if(runs,
                    [&](const ProbeRun& run) { return std::abs(step_of(run.view)) > step_max; });
    }
    return search_index(*store->index, row, runs);
  };
}

Search acoustid_search(const std::vector<Row>& rows, AcoustId::Options options) {
  auto acoustid = std::make_shared<AcoustId>(options);
  auto names = std::make_shared<std::vector<std::string>>();
  for (const Row& row : rows) {
    if (!row.is_reference()) continue;
    acoustid->add(row.items);
    names->push_back(row.name);
  }
  return [acoustid, names](const Row& row) {
    json matches = json::array();
    for (const AcoustId::Match& match : acoustid->search(row.items)) {
      matches.push_back({{"reference", (*names)[match.reference]}, {"score", match.score}});
    }
    return matches;
  };
}

Search search_of(const std::filesystem::path& corpus, const std::string& method,
                 const std::vector<Row>& rows) {
  if (method == "soundgate") return soundgate_search(corpus, rows, Probes::kOff);
  if (method == "soundgate-near") return soundgate_search(corpus, rows, Probes::kNear);
  if (method == "soundgate-wide") return soundgate_search(corpus, rows, Probes::kWide);
  if (method == "acoustid") return acoustid_search(rows, {.as_deployed = true});
  if (method == "acoustid-whole") return acoustid_search(rows, {.as_deployed = false});
  throw std::runtime_error("there is no method " + method);
}

void run(const std::filesystem::path& corpus, const std::string& method) {
  const std::vector<Row> rows = read_corpus(corpus);
  const Search search = search_of(corpus, method, rows);
  std::atomic<size_t> next = 0;
  std::mutex output;
  const auto work = [&] {
    for (size_t i = next++; i < rows.size(); i = next++) {
      if (rows[i].is_reference()) continue;
      const double before = cpu_seconds();
      json line = {{"matches", search(rows[i])}};
      if (line["matches"].is_null()) continue;
      line["cpu_seconds"] = cpu_seconds() - before;
      line["name"] = rows[i].name;
      const std::string text = line.dump() + "\n";
      const std::lock_guard lock(output);
      std::fwrite(text.data(), 1, text.size(), stdout);
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) threads.emplace_back(work);
}

}  // namespace
}  // namespace soundgate::quality

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: quality_match CORPUS METHOD\n");
    return 2;
  }
  try {
    soundgate::quality::run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quality_match: %s\n", error.what());
    return 1;
  }
}
