// What make_uploads.py wrote: the items of real tracks, and of attacked excerpts of them.
// Errors: std::runtime_error.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "index/banded_items.h"

namespace soundgate::scale {

struct Upload {
  std::string kind;
  size_t track = 0;       // index into the tracks: what it is an excerpt of
  double first_item = 0;  // of the track, where it starts
  BandedItems items;

  // Reference items that go by with each of its own.
  double speed() const;
};

struct Uploads {
  std::vector<BandedItems> tracks;
  std::vector<Upload> uploads;
};

Uploads read_uploads(const std::filesystem::path& path);

}  // namespace soundgate::scale
