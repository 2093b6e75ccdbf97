// What sparse coverage finds, by how long its periods are, and what starts a closer look.
// usage: quality_sparse CORPUS
// CORPUS is sparse.py's: references, uploads that hold an excerpt of one of them, and others that
//   hold none. A quarter of each period is heard, in each upload six times, with the periods begun
//   at another place. A closer look hears what comes a piece of items later ("on"), or all of the
//   upload from its begin ("all").
// Output: a line for each kind, period and look, tabs between: kind, seconds of a period, look,
//   plays, % of them with a match, % with 10 s of it at least, % looked closer at, % of the audio
//   decoded, CPU of matching in ms for a minute of upload.
#include <sys/resource.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "index/index.h"
#include "perf/quality/corpus.h"

namespace soundgate::quality {
namespace {

constexpr size_t kPiece = 24;  // items, as the decoders hand them over
constexpr double kShare = 0.25;
constexpr int kPhases = 6;
constexpr double kBlockSeconds = 10;

enum class Look : uint8_t { kNone, kCertainOn, kCandidateOn, kCandidateAll };
constexpr std::pair<Look, const char*> kLooks[] = {{Look::kNone, "none"},
                                                   {Look::kCertainOn, "certain, on"},
                                                   {Look::kCandidateOn, "candidate, on"},
                                                   {Look::kCandidateAll, "candidate, all"}};
constexpr double kPeriods[] = {20, 30, 60};

struct Play {
  double period;
  double begun;  // of the first period, before the upload
  Look look;

  bool hears(size_t item) const {
    const double at = std::fmod(static_cast<double>(item) * kItemSeconds + begun, period);
    return at + kItemSpanSeconds <= kShare * period;
  }
};

struct Sum {
  int plays = 0, found = 0, blocked = 0, looked = 0;
  double decoded_seconds = 0, seconds = 0, cpu_ms = 0;
};

double cpu_milliseconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto ms = [](const timeval& time) {
    return 1e3 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_usec);
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

void append(MatchSession& session, const Row& row, size_t first, size_t count) {
  const auto begin = static_cast<uint32_t>(first);
  session.append(begin, std::span(row.items).subspan(first, count));
  session.append_view(view_of(Band::kBass), begin, std::span(row.bass).subspan(first, count));
  session.append_view(view_of(Band::kTreble), begin, std::span(row.treble).subspan(first, count));
}

bool asks_for_more(MatchSession& session, Look look) {
  switch (look) {
    case Look::kNone:
      return false;
    case Look::kCertainOn:
      return !session.decisive(Action::kAllow).empty();
    case Look::kCandidateOn:
    case Look::kCandidateAll:
      return session.has_candidate() || !session.decisive(Action::kAllow).empty();
  }
  return false;
}

// The pieces that are heard one after the other; what was left out before each is a jump.
Sum play(const Index& index, const Row& row, const Play& how) {
  Sum sum{.plays = 1};
  const double before = cpu_milliseconds();
  auto session = index.match();
  size_t heard_items = 0, stretches = 0;
  size_t jumped_from = 0;
  for (size_t i = 0; i < row.items.size();) {
    const bool all = sum.looked > 0;
    if (!all && !how.hears(i)) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    const size_t piece_end = std::min(i + kPiece, row.items.size());
    while (end < piece_end && (all || how.hears(end))) ++end;
    append(*session, row, i, end - i);
    heard_items += end - i;
    stretches += i != jumped_from || i == 0 ? 1 : 0;
    jumped_from = i = end;
    if (all || !asks_for_more(*session, how.look)) continue;
    sum.looked = 1;
    if (how.look != Look::kCandidateAll) continue;
    session = index.match();
    i = 0;
  }
  for (const Match& match : session->finish()) {
    sum.found = 1;
    if (match.query_match_seconds >= kBlockSeconds) sum.blocked = 1;
  }
  sum.cpu_ms = cpu_milliseconds() - before;
  sum.decoded_seconds = static_cast<double>(heard_items) * kItemSeconds +
                        static_cast<double>(stretches) * (kItemSpanSeconds - kItemSeconds);
  sum.seconds = static_cast<double>(row.items.size()) * kItemSeconds;
  return sum;
}

void add(Sum& sum, const Sum& more) {
  sum.plays += more.plays;
  sum.found += more.found;
  sum.blocked += more.blocked;
  sum.looked += more.looked;
  sum.decoded_seconds += more.decoded_seconds;
  sum.seconds += more.seconds;
  sum.cpu_ms += more.cpu_ms;
}

std::unique_ptr<Index> enrol(const std::filesystem::path& store, const std::vector<Row>& rows) {
  auto index = Index::open(store, {.create = true, .owner = "quality_sparse"});
  if (!index) throw std::runtime_error(index.error().message);
  Bank bank;
  bank.name = "banned";
  bank.action = Action::kBlock;
  if (auto made = (*index)->create_bank(bank); !made)
    throw std::runtime_error(made.error().message);
  std::vector<EnrollRequest> requests;
  for (const Row& row : rows) {
    if (row.is_reference()) {
      requests.push_back({bank.name, row.name, row.name, "{}", fingerprint_of(row), std::nullopt});
    }
  }
  for (const auto& result : (*index)->enroll_all(requests)) {
    if (!result) throw std::runtime_error(result.error().message);
  }
  return std::move(*index);
}

using Key = std::tuple<std::string, double, Look>;

std::map<Key, Sum> play_all(const Index& index, const std::vector<Row>& rows) {
  std::map<Key, Sum> sums;
  std::mutex mutex;
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < rows.size(); i = next++) {
      if (rows[i].is_reference()) continue;
      for (const double period : kPeriods) {
        for (const auto& [look, name] : kLooks) {
          Sum sum;
          for (int phase = 0; phase < kPhases; ++phase) {
            add(sum, play(index, rows[i], {period, period * phase / kPhases, look}));
          }
          const std::lock_guard lock(mutex);
          add(sums[{rows[i].kind, period, look}], sum);
        }
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) threads.emplace_back(work);
  }
  return sums;
}

void run(const std::filesystem::path& corpus) {
  const std::filesystem::path store =
      std::filesystem::temp_directory_path() / ("quality_sparse." + std::to_string(getpid()));
  const std::vector<Row> rows = read_corpus(corpus);
  auto index = enrol(store, rows);
  for (const auto& [key, sum] : play_all(*index, rows)) {
    const auto& [kind, period, look] = key;
    const auto share = [&](int count) { return 100.0 * count / sum.plays; };
    std::printf("%s\t%.0f\t%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\n", kind.c_str(), period,
                kLooks[static_cast<size_t>(look)].second, sum.plays, share(sum.found),
                share(sum.blocked), share(sum.looked), 100 * sum.decoded_seconds / sum.seconds,
                60 * sum.cpu_ms / sum.seconds);
  }
  index.reset();
  std::filesystem::remove_all(store);
}

}  // namespace
}  // namespace soundgate::quality

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: quality_sparse CORPUS\n");
    return 2;
  }
  try {
    soundgate::quality::run(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quality_sparse: %s\n", error.what());
    return 1;
  }
}
