#include "perf/scale/uploads.h"

#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

namespace soundgate::scale {
namespace {

BandedItems items_of(const std::string& text) {
  std::vector<Item> items;
  std::istringstream numbers(text);
  for (std::string number; std::getline(numbers, number, ',');) {
    items.push_back(static_cast<Item>(std::stoul(number)));
  }
  if (items.size() % kBandCount != 0) throw std::runtime_error("items of three bands are wanted");
  return {std::move(items), kBandCount};
}

}  // namespace

double Upload::speed() const {
  if (kind == "tempo_5") return 1.05;
  if (kind == "tempo_10") return 0.90;
  if (kind == "speed_1") return 1.01;
  if (kind == "speed_2") return 1.02;
  return 1;
}

Uploads read_uploads(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  Uploads uploads;
  std::map<std::string, size_t> track_of;
  for (std::string line; std::getline(file, line);) {
    std::istringstream cells(line);
    std::string role, kind, name, first, items;
    cells >> role >> kind >> name >> first >> items;
    if (!cells) throw std::runtime_error(path.string() + ": five cells are wanted: " + line);
    if (role == "track") {
      track_of[name] = uploads.tracks.size();
      uploads.tracks.push_back(items_of(items));
    } else {
      uploads.uploads.push_back({kind, track_of.at(name), std::stod(first), items_of(items)});
    }
  }
  return uploads;
}

}  // namespace soundgate::scale
