// Shows what matching decides on, before it decides: for each upload of a corpus, its heaviest
// candidates, and the stretch that aligning each gives, whatever its score. What thresholds and gates
// are chosen on (index/README.md).
// usage: quality_calibrate CORPUS > candidates.tsv
// Columns: role, kind, upload, its family, reference, "same" (what it was made of), "family" or
//   "other", weight, rank, seconds, seconds of the upload, score, bit error rate, shifted z, rival z.
#include <algorithm>
#include <bit>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "index/align/aligner.h"
#include "index/align/matcher.h"
#include "index/align/path.h"
#include "index/limits.h"
#include "index/search/snapshot_edit.h"
#include "perf/quality/corpus.h"

namespace soundgate::quality {
namespace {

constexpr size_t kShownMax = 40;

struct Shifted { double z, rival, mean, sigma; };

__attribute__((target("popcnt"))) Shifted shifted(const Query& query, std::span<const Item> reference,
                                                  const Alignment& a) {
  // straight line from (query_begin, reference_begin) to (query_end, reference_end)
  const size_t n = a.query_end - a.query_begin, m = reference.size();
  std::vector<uint32_t> offsets(n);
  const double slope = static_cast<double>(a.reference_end - a.reference_begin) / static_cast<double>(n);
  for (size_t i = 0; i < n; ++i) offsets[i] = a.reference_begin + static_cast<uint32_t>(slope * static_cast<double>(i));
  std::vector<double> d;
  double at = 1e9;
  std::vector<Item> twice(reference.begin(), reference.end());
  twice.insert(twice.end(), reference.begin(), reference.end());
  twice.insert(twice.end(), reference.begin(), reference.end());
  const Item* q = query.items().data() + a.query_begin;
  for (size_t shift = 0; shift < m; ++shift) {
    uint32_t sum = 0;
    for (size_t i = 0; i < n; ++i) sum += static_cast<uint32_t>(__builtin_popcount(q[i] ^ twice[offsets[i] % m + shift]));
    const double rate = sum / (32.0 * static_cast<double>(n));
    const size_t off = std::min(shift, m - shift);
    if (off <= 2) at = std::min(at, rate);
    else if (off > 16) d.push_back(rate);
  }
  if (d.size() < 20) return {0, 0, 0, 0};
  double mean = 0, var = 0;
  for (double x : d) mean += x;
  mean /= static_cast<double>(d.size());
  for (double x : d) var += (x - mean) * (x - mean);
  const double sigma = std::sqrt(var / static_cast<double>(d.size()));
  const double least = *std::ranges::min_element(d);
  return {(mean - at) / sigma, (mean - least) / sigma, mean, sigma};
}

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
    entry.items = std::make_shared<const std::vector<Item>>(row.items);
    entries.push_back(std::move(entry));
  }
  add_references(*snapshot, std::move(entries));
  return snapshot;
}

void show(const std::shared_ptr<const Snapshot>& shared, const Row& row, std::mutex& output) {
  const Snapshot& snapshot = *shared;
  Matcher matcher(shared);
  matcher.append(shared, 0, row.items);
  const Query& query = matcher.query();
  std::set<std::string> made_of;
  for (const Part& part : row.parts) made_of.insert(part.reference);
  size_t rank = 0;
  std::string text;
  const auto line_of = [&](const ReferenceEntry& entry, const Candidate& candidate, const char* relation, size_t at) {
    const Alignment alignment = align(query, *entry.items, candidate);
    Shifted s{};
    if (alignment.query_begin != alignment.query_end) s = shifted(query, *entry.items, alignment);
    char line[1024];
    std::snprintf(line, sizeof(line),
                  "%s\t%s\t%s\t%s\t%s\t%s\t%u\t%zu\t%.2f\t%.2f\t%.4f\t%.4f\t%.3f\t%.3f\t%.4f\t%.4f\n", row.role.c_str(),
                  row.kind.c_str(), row.name.c_str(), row.family.c_str(), entry.reference.content_id.c_str(), relation,
                  candidate.weight, at, alignment.proving_seconds(),
                  static_cast<double>(row.items.size()) * kItemSeconds, alignment.score,
                  alignment.bit_error_rate, s.z, s.rival, alignment.chance, alignment.changed_bits);
    text += line;
  };
  double factor = 1;
  if (const auto percent = row.kind.find('%'); percent != std::string::npos && (row.kind.starts_with("speed") || row.kind.starts_with("tempo"))) {
    factor = 1 + std::stod(row.kind.substr(6, percent - 6)) / 100;
  }
  for (const Part& part : row.parts) {
    for (Slot slot = 0; slot < snapshot.references.slot_end(); ++slot) {
      const ReferenceEntry* entry = snapshot.references.at(slot);
      if (entry == nullptr || entry->reference.content_id != part.reference) continue;
      const double middle = part.upload_start + (part.upload_end - part.upload_start) / factor / 2 - 1.3;
      const double there = part.reference_start + (middle - part.upload_start) * factor;
      const auto item = static_cast<uint32_t>(std::max(0.0, middle / kItemSeconds));
      if (item + kWindowItems > row.items.size()) continue;
      line_of(*entry, {slot, item, static_cast<int32_t>(std::lround(there / kItemSeconds)) - static_cast<int32_t>(item), 0}, "oracle", 0);
    }
  }
  for (const Candidate& candidate : matcher.take_candidates(shared)) {
    const ReferenceEntry& entry = *snapshot.references.at(candidate.slot);
    const std::string& reference = entry.reference.content_id;
    const char* relation = made_of.contains(reference)                    ? "same"
                           : ("," + row.family + ",").find("," + entry.reference.title + ",") != std::string::npos
                               ? "family"
                               : "other";
    const bool shown = ++rank <= kShownMax;
    if (*relation == 'f' || (*relation == 'o' && !shown)) continue;
    line_of(entry, candidate, relation, rank);
  }
  const std::lock_guard lock(output);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void run(const char* corpus) {
  const auto rows = read_corpus(corpus);
  const auto snapshot = snapshot_of(rows);
  std::atomic<size_t> next = 0;
  std::mutex output;
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
    threads.emplace_back([&] {
      for (size_t r = next++; r < rows.size(); r = next++) {
        if (!rows[r].is_reference()) show(snapshot, rows[r], output);
      }
    });
  }
}

}  // namespace
}  // namespace soundgate::quality

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: quality_calibrate CORPUS\n");
    return 2;
  }
  try {
    soundgate::quality::run(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quality_calibrate: %s\n", error.what());
    return 1;
  }
}
