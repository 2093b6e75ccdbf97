#include "perf/quality/corpus.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace soundgate::quality {
namespace {

constexpr double kItemSpanSeconds = 2.72;

std::vector<Item> read_items(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Item> items;
  std::string number;
  while (std::getline(file, number, ',')) {
    items.push_back(static_cast<Item>(std::stoul(number)));
  }
  if (items.empty()) throw std::runtime_error(path.string() + ": no items");
  return items;
}

Row read_row(const std::string& line) {
  std::istringstream cells(line);
  Row row;
  std::string times[4];
  cells >> row.role >> row.kind >> row.name >> row.reference;
  for (std::string& time : times) cells >> time;
  if (!cells) throw std::runtime_error("manifest.tsv: a line of eight cells is wanted: " + line);
  row.reference_start = std::strtod(times[0].c_str(), nullptr);
  row.reference_end = std::strtod(times[1].c_str(), nullptr);
  row.query_start = std::strtod(times[2].c_str(), nullptr);
  row.query_end = std::strtod(times[3].c_str(), nullptr);
  return row;
}

}  // namespace

std::vector<Row> read_corpus(const std::filesystem::path& directory) {
  std::ifstream manifest(directory / "manifest.tsv");
  if (!manifest) throw std::runtime_error("cannot read " + (directory / "manifest.tsv").string());
  std::vector<Row> rows;
  std::string line;
  while (std::getline(manifest, line)) {
    rows.push_back(read_row(line));
    rows.back().items = read_items(directory / "items" / (rows.back().name + ".txt"));
  }
  return rows;
}

Fingerprint fingerprint_of(const Row& row) {
  const double hops = static_cast<double>(row.items.size()) - 1;
  return {kAlgorithm, hops * kItemSeconds + kItemSpanSeconds, row.items};
}

}  // namespace soundgate::quality
