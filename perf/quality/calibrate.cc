// Shows what matching decides on, before it decides: for each upload of a corpus, every candidate
// with its votes, and the stretch that aligning it gives, whatever its score. What thresholds and
// gates are chosen on (index/README.md).
// usage: quality_calibrate CORPUS > candidates.tsv
// Columns: role, kind, upload, reference, "same" or "other", weight, rank among the upload's
//   candidates, seconds, score, bit error rate, accepted (0 or 1).
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "index/align/aligner.h"
#include "index/limits.h"
#include "index/search/snapshot_edit.h"
#include "perf/quality/corpus.h"

namespace soundgate::quality {
namespace {

std::shared_ptr<const Snapshot> snapshot_of(const std::vector<Row>& rows) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->banks[1] = Bank{.id = 1, .name = "music"};
  for (const Row& row : rows) {
    if (row.role != "reference") continue;
    ReferenceEntry entry;
    entry.bank_id = 1;
    entry.reference.content_id = row.name;
    entry.items = std::make_shared<const std::vector<Item>>(row.items);
    add_reference(*snapshot, std::move(entry));
  }
  return snapshot;
}

std::vector<Candidate> candidates_of(const Snapshot& snapshot, const std::vector<Item>& items) {
  QueryWindows queries;
  for (uint32_t first = 0; first + kWindowItems <= items.size(); first += kQueryStride) {
    const WindowItems window = std::span(items).subspan(first).first<kWindowItems>();
    if (!is_informative(window)) continue;
    queries.windows.push_back(pack_window(window));
    queries.items.push_back(first);
  }
  std::vector<WindowHit> hits;
  for (const auto& segment : snapshot.segments) segment->search(queries, 0, hits);
  Candidates candidates;
  candidates.add(hits);
  return candidates.take();
}

void show(const Snapshot& snapshot, const Row& row) {
  Query query;
  query.append(0, row.items);
  size_t rank = 0;
  for (const Candidate& candidate : candidates_of(snapshot, row.items)) {
    const ReferenceEntry& entry = *snapshot.references.at(candidate.slot);
    const Alignment alignment = align(query, *entry.items.load(), candidate);
    const bool same = entry.reference.content_id == row.reference;
    std::printf("%s\t%s\t%s\t%s\t%s\t%u\t%zu\t%.2f\t%.4f\t%.4f\t%d\n", row.role.c_str(),
                row.kind.c_str(), row.name.c_str(), entry.reference.content_id.c_str(),
                same ? "same" : "other", candidate.weight, rank++, alignment.proving_seconds(),
                alignment.score, alignment.bit_error_rate, is_accepted(alignment) ? 1 : 0);
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
    const auto rows = soundgate::quality::read_corpus(argv[1]);
    const auto snapshot = soundgate::quality::snapshot_of(rows);
    for (const auto& row : rows) {
      if (row.role != "reference") soundgate::quality::show(*snapshot, row);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quality_calibrate: %s\n", error.what());
    return 1;
  }
}
