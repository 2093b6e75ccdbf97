// Enrols the references of a corpus into a store, matches its uploads, and says per kind how many
// were found, how far off the segments' ends are, and what it cost; then, which of the other
// tracks matched. Exits 1 where an upload of a kind named by --must was missed or an other matched.
// usage: quality_match CORPUS [--must KIND,…] [--verbose] [--copies N]
// --copies N enrols each reference N times (altered beyond recognition): a larger index.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "index/index.h"
#include "perf/quality/corpus.h"

namespace soundgate::quality {
namespace {

struct Options {
  std::filesystem::path corpus;
  std::set<std::string> must;
  bool verbose = false;
  int copies = 1;
};

struct Tally {
  int uploads = 0;
  int found = 0;
  int also_others = 0;               // matches of references that it was not made of
  std::vector<double> scores;        // of the right reference
  std::vector<double> margins;       // score - threshold
  std::vector<double> start_errors;  // seconds, of the first segment in the upload
  std::vector<double> end_errors;    // seconds, of the last one
  std::vector<double> edge_errors;   // their sizes
  std::vector<double> speeds;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--verbose") {
      options.verbose = true;
    } else if (argument == "--must" && i + 1 < argc) {
      std::istringstream kinds(argv[++i]);
      for (std::string kind; std::getline(kinds, kind, ',');) options.must.insert(kind);
    } else if (argument == "--copies" && i + 1 < argc) {
      options.copies = std::max(1, std::atoi(argv[++i]));
    } else {
      options.corpus = argument;
    }
  }
  return options;
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

// The items as they arrive: a second at a time.
std::vector<Match> match(const Index& index, const std::vector<Item>& items) {
  const auto session = index.match();
  for (size_t i = 0; i < items.size(); i += 8) {
    const size_t count = std::min<size_t>(8, items.size() - i);
    session->append(static_cast<uint32_t>(i), std::span(items).subspan(i, count));
  }
  return session->finish();
}

void enrol(Index& index, const Row& row, const Options& options) {
  EnrollRequest request{"music", row.name, row.name, "{}", fingerprint_of(row), std::nullopt};
  const auto enrolled = index.enroll(request);
  if (!enrolled) throw std::runtime_error(enrolled.error().message);
  if (options.verbose && !enrolled->warnings.empty()) {
    std::printf("enrolled %s:", row.name.c_str());
    for (const std::string& warning : enrolled->warnings) std::printf(" [%s]", warning.c_str());
    std::printf(" %.0f of %.0f s indexed\n", enrolled->indexed_seconds, enrolled->duration_seconds);
  }
  // Backwards and with some bits turned, neighbours stay as like as they were, and nothing else is.
  std::mt19937 random(static_cast<unsigned>(row.items.size()));
  for (int copy = 1; copy < options.copies; ++copy) {
    request.fingerprint.items.assign(row.items.rbegin(), row.items.rend());
    const auto mask = static_cast<Item>(random());
    for (Item& item : request.fingerprint.items) item ^= mask;
    request.content_id = row.name + "." + std::to_string(copy);
    if (const auto made = index.enroll(request); !made) {
      throw std::runtime_error(made.error().message);
    }
  }
}

void count(Tally& tally, const Row& row, const std::vector<Match>& matches, bool verbose) {
  ++tally.uploads;
  bool found = false;
  for (const Match& match : matches) {
    if (match.content_id != row.reference) {
      ++tally.also_others;
      if (verbose) {
        std::printf("  %s also matches %s, score %.2f of %.2f, %.0f s\n", row.name.c_str(),
                    match.content_id.c_str(), match.score, match.threshold,
                    match.query_match_seconds);
      }
      continue;
    }
    found = true;
    tally.scores.push_back(match.score);
    tally.margins.push_back(match.score - match.threshold);
    const MatchSegment& first = match.segments.front();
    const MatchSegment& last = match.segments.back();
    tally.start_errors.push_back(first.query_start - row.query_start);
    tally.end_errors.push_back(last.query_end - row.query_end);
    tally.edge_errors.push_back(std::abs(tally.start_errors.back()));
    tally.edge_errors.push_back(std::abs(tally.end_errors.back()));
    tally.speeds.push_back(first.audio_speed);
  }
  tally.found += found;
  if (!found && verbose) std::printf("  missed %s\n", row.name.c_str());
}

int run(const Options& options) {
  const std::vector<Row> rows = read_corpus(options.corpus);
  const auto store =
      std::filesystem::temp_directory_path() / ("quality." + std::to_string(getpid()));
  const auto index = Index::open(store, {.create = true, .owner = "quality_match"});
  if (!index) throw std::runtime_error(index.error().message);
  Bank bank;
  bank.name = "music";
  if (const auto made = (*index)->create_bank(bank); !made) {
    throw std::runtime_error(made.error().message);
  }
  for (const Row& row : rows) {
    if (row.role == "reference") enrol(**index, row, options);
  }
  const IndexStatus status = (*index)->status();
  std::printf("%ld references, %ld windows, %.0f s of audio\n", status.reference_count,
              status.window_count, status.reference_seconds);

  std::map<std::string, Tally> tallies;
  int others = 0, false_matches = 0;
  double cpu = 0, audio_seconds = 0;
  for (const Row& row : rows) {
    if (row.role == "reference") continue;
    const double before = cpu_seconds();
    const std::vector<Match> matches = match(**index, row.items);
    cpu += cpu_seconds() - before;
    audio_seconds += static_cast<double>(row.items.size()) * kItemSeconds;
    if (row.role == "upload") {
      count(tallies[row.kind], row, matches, options.verbose);
      continue;
    }
    ++others;
    false_matches += !matches.empty();
    for (const Match& found : matches) {
      std::printf("FALSE MATCH %s: %s, score %.2f of %.2f, %.0f s at %.0f s, asset %.0f s\n",
                  row.name.c_str(), found.content_id.c_str(), found.score, found.threshold,
                  found.query_match_seconds, found.segments.front().query_start,
                  found.segments.front().asset_start);
    }
  }

  bool failed = false;
  std::printf("%-18s %8s  %-18s %-10s %-24s %-6s %s\n", "kind", "found", "score min/median",
              "margin min", "start, end median; p95", "speed", "also others");
  for (const auto& [kind, tally] : tallies) {
    std::printf("%-18s %4d/%d  %7.2f %6.2f     %6.2f      %6.2f %6.2f %6.2f s   %.3f  %d\n",
                kind.c_str(), tally.found, tally.uploads, quantile(tally.scores, 0),
                quantile(tally.scores, .5), quantile(tally.margins, 0),
                quantile(tally.start_errors, .5), quantile(tally.end_errors, .5),
                quantile(tally.edge_errors, .95), quantile(tally.speeds, .5), tally.also_others);
    if (options.must.contains(kind) && tally.found < tally.uploads) failed = true;
  }
  std::printf("others that match: %d of %d\n", false_matches, others);
  std::printf("CPU: %.2f ms per 200 s of upload\n", 1000 * cpu * 200 / audio_seconds);
  std::filesystem::remove_all(store);
  if (!options.must.empty() && false_matches > 0) failed = true;
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace soundgate::quality

int main(int argc, char** argv) {
  try {
    return soundgate::quality::run(soundgate::quality::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quality_match: %s\n", error.what());
    return 2;
  }
}
