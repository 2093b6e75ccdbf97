#include "perf/quality/corpus.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "index/audio_seconds.h"

namespace soundgate::quality {
namespace {

std::vector<uint32_t> read_words(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<uint32_t> words(file ? static_cast<size_t>(file.tellg()) / sizeof(uint32_t) : 0);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(words.data()),
            static_cast<std::streamsize>(words.size() * sizeof(uint32_t)));
  if (!file || words.empty()) throw std::runtime_error(path.string() + ": no items");
  return words;
}

Row row_of(const nlohmann::json& json) {
  Row row;
  row.role = json.at("role");
  row.kind = json.at("kind");
  row.name = json.at("name");
  row.family = json.at("family");
  for (const auto& part : json.at("parts")) {
    row.parts.push_back({part.at("reference"), part.at("reference_start"), part.at("reference_end"),
                         part.at("upload_start"), part.at("upload_end")});
  }
  return row;
}

}  // namespace

std::vector<ProbeRun> read_probes(const std::filesystem::path& directory, const Row& row) {
  const auto path = directory / "items" / (row.name + ".u32.probes");
  if (!std::filesystem::exists(path)) return {};
  const std::vector<uint32_t> words = read_words(path);
  std::vector<ProbeRun> runs;
  for (size_t at = 0; at + 3 <= words.size();) {
    const size_t end = at + 3 + words[at + 2];
    if (end > words.size()) throw std::runtime_error(path.string() + ": ends in a run");
    runs.push_back({static_cast<int>(words[at]),
                    words[at + 1],
                    {words.begin() + static_cast<ptrdiff_t>(at + 3),
                     words.begin() + static_cast<ptrdiff_t>(end)}});
    at = end;
  }
  return runs;
}

std::vector<Row> read_corpus(const std::filesystem::path& directory) {
  const auto path = directory / "manifest.jsonl";
  std::ifstream manifest(path);
  if (!manifest) throw std::runtime_error("cannot read " + path.string());
  std::vector<Row> rows;
  for (std::string line; std::getline(manifest, line);) {
    rows.push_back(row_of(nlohmann::json::parse(line)));
    Row& row = rows.back();
    const std::vector<uint32_t> words = read_words(directory / "items" / (row.name + ".u32"));
    const auto band = static_cast<ptrdiff_t>(words.size() / kBandCount);
    row.items.assign(words.begin(), words.begin() + band);
    row.bass.assign(words.begin() + band, words.begin() + 2 * band);
    row.treble.assign(words.begin() + 2 * band, words.end());
  }
  return rows;
}

Fingerprint fingerprint_of(const Row& row) {
  return {kAlgorithm, audio_seconds(row.items.size()), row.items, row.bass, row.treble};
}

}  // namespace soundgate::quality
