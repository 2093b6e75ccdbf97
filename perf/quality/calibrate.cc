// Shows what matching decides on, before it decides: of each upload of a corpus and each reference
// that it has candidates for, the strongest stretch, whatever its strength. What thresholds are
// fitted to: fit.py, index/README.md. usage: quality_calibrate CORPUS ROLE [EVERY] > candidates.tsv
// ROLE: "impostor" or "upload"; EVERY: only each so manieth of them. Columns: kind, upload, seconds
// of
//   the upload, reference, "made_of" that, of its family ("same") or "other"; rank of the candidate
//   and its weight; seconds, score, independent seconds, strength, speed, tempo (threshold.h) that
//   it was sought as: each stretch at its own tempo, and at any; band (fingerprint.h);
//   joint strength (aligner.h). Of each reference the strongest by its own band, and by all.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "index/align/aligner.h"
#include "index/align/matcher.h"
#include "index/search/snapshot_edit.h"
#include "index/search/tuning.h"
#include "perf/quality/corpus.h"

namespace soundgate::quality {
namespace {

std::shared_ptr<const Snapshot> snapshot_of(const std::vector<Row>& rows) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->banks[1] = Bank{.id = 1, .name = "music"};
  std::vector<ReferenceEntry> entries;
  for (const Row& row : rows) {
    if (!row.is_reference()) continue;
    ReferenceEntry entry;
    entry.bank_id = 1;
    entry.reference.content_id = row.name;
    entry.reference.title = row.family;
    entry.reference.duration_seconds = fingerprint_of(row).duration_seconds;
    entry.items = std::make_shared<const BandedItems>(fingerprint_of(row));
    entries.push_back(std::move(entry));
  }
  add_references(*snapshot, std::move(entries));
  return snapshot;
}

const char* relation(const Row& row, const Reference& reference) {
  for (const Part& part : row.parts) {
    if (part.reference == reference.content_id) return "made_of";
  }
  const bool related =
      ("," + row.family + ",").find("," + reference.title + ",") != std::string::npos;
  return related ? "same" : "other";
}

struct Found {
  Alignment alignment;
  Candidate candidate;
  size_t rank;
};

// By `strength_of`, of each reference.
template <class StrengthOf>
std::map<Slot, Found> strongest(std::span<const Found> all, StrengthOf strength_of) {
  std::map<Slot, Found> found;
  for (const Found& one : all) {
    const auto [it, is_new] = found.try_emplace(one.candidate.slot, one);
    if (!is_new && strength_of(one.alignment) > strength_of(it->second.alignment)) it->second = one;
  }
  return found;
}

std::vector<Found> align_all(const BandedQuery& query, Band band, const Snapshot& snapshot,
                             const std::vector<Candidate>& candidates,
                             std::optional<double> speed) {
  std::vector<Found> found;
  size_t rank = 0;
  for (const Candidate& candidate : candidates) {
    ++rank;
    const ReferenceEntry& entry = *snapshot.references.at(candidate.slot);
    const Alignment alignment = align(query, *entry.items.load(), band, candidate, speed);
    if (alignment.proving_items >= kMatchItemsMin) found.push_back({alignment, candidate, rank});
  }
  return found;
}

std::string line_of(const Row& row, Band band, const Query& query, const Reference& reference,
                    const Found& found) {
  const Alignment& alignment = found.alignment;
  char line[1024];
  std::snprintf(line, sizeof(line),
                "%s\t%s\t%.2f\t%s\t%s\t%zu\t%u\t%.2f\t%.4f\t%.2f\t%.4f\t%.3f\t%d\t%d\t%.4f\n",
                row.kind.c_str(), row.name.c_str(), query.known_seconds(),
                reference.content_id.c_str(), relation(row, reference), found.rank,
                found.candidate.weight, alignment.proving_items * kItemSeconds, alignment.score,
                alignment.independent_seconds, alignment.strength(), alignment.audio_speed,
                static_cast<int>(alignment.tempo), static_cast<int>(band),
                alignment.joint_strength);
  return line;
}

void show(const std::shared_ptr<const Snapshot>& snapshot, const Row& row, std::mutex& output) {
  std::string text;
  const BandedItems items(fingerprint_of(row));
  std::vector<Matcher> matchers;
  BandedQuery queries;
  for (const Band band : kAllBands) matchers.emplace_back(snapshot, band);
  for (const Band band : kAllBands) {
    Matcher& matcher = matchers[static_cast<size_t>(band)];
    matcher.append(snapshot, 0, items.of(band));
    queries[static_cast<size_t>(band)] = &matcher.query();
  }
  for (const Band band : kAllBands) {
    Matcher& matcher = matchers[static_cast<size_t>(band)];
    auto candidates = matcher.take_candidates(snapshot);
    const auto closely = matcher.take_candidates_of_close_search(kCloselyComparedWindows);
    candidates.insert(candidates.end(), closely.begin(), closely.end());
    for (const std::optional<double> speed : {std::optional(1.0), std::optional<double>()}) {
      const auto all = align_all(queries, band, *snapshot, candidates, speed);
      const auto write = [&](const std::map<Slot, Found>& strongest_of) {
        for (const auto& [slot, found] : strongest_of) {
          const Reference& reference = snapshot->references.at(slot)->reference;
          text += line_of(row, band, matcher.query(), reference, found);
        }
      };
      write(strongest(all, [](const Alignment& found) { return found.strength(); }));
      write(strongest(all, [](const Alignment& found) { return found.joint_strength; }));
    }
  }
  const std::lock_guard lock(output);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void run(const char* corpus, const std::string& role, size_t every) {
  const auto rows = read_corpus(corpus);
  const auto snapshot = snapshot_of(rows);
  std::atomic<size_t> next = 0;
  std::mutex output;
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
    threads.emplace_back([&] {
      for (size_t r = next++; r < rows.size(); r = next++) {
        if (rows[r].role == role && r % every == 0) show(snapshot, rows[r], output);
      }
    });
  }
}

}  // namespace
}  // namespace soundgate::quality

int main(int argc, char** argv) {
  const int every = argc == 4 ? std::atoi(argv[3]) : 1;
  if ((argc != 3 && argc != 4) || every < 1) {
    std::fprintf(stderr, "usage: quality_calibrate CORPUS ROLE [EVERY]\n");
    return 2;
  }
  try {
    soundgate::quality::run(argv[1], argv[2], static_cast<size_t>(every));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quality_calibrate: %s\n", error.what());
    return 1;
  }
}
