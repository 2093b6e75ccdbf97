#include "perf/quality/corpus.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "index/audio_seconds.h"

namespace soundgate::quality {
namespace {

std::vector<Item> read_items(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<Item> items(file ? static_cast<size_t>(file.tellg()) / sizeof(Item) : 0);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(items.data()),
            static_cast<std::streamsize>(items.size() * sizeof(Item)));
  if (!file || items.empty()) throw std::runtime_error(path.string() + ": no items");
  return items;
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

std::vector<Row> read_corpus(const std::filesystem::path& directory) {
  const auto path = directory / "manifest.jsonl";
  std::ifstream manifest(path);
  if (!manifest) throw std::runtime_error("cannot read " + path.string());
  std::vector<Row> rows;
  for (std::string line; std::getline(manifest, line);) {
    rows.push_back(row_of(nlohmann::json::parse(line)));
    rows.back().items = read_items(directory / "items" / (rows.back().name + ".u32"));
  }
  return rows;
}

Fingerprint fingerprint_of(const Row& row) {
  return {kAlgorithm, audio_seconds(row.items.size()), row.items};
}

}  // namespace soundgate::quality
