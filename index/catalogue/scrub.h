// Reads all of a catalogue to find what is not as it was written: each reference's items against
// their digest, and what SQLite says of its own pages.
// In small reads, beside whatever else is done with it. Memory: the items of one reference, and
// what SQLite keeps of a page.
// Thread: any; on a connection of its own.
#pragma once

#include <functional>
#include <string>

#include "index/index.h"

namespace soundgate {

struct CatalogueScrub {
  std::function<bool()> stop;          // asked now and then
  std::function<void(Damage)> damage;  // told of what is found
};
// How many references were read.
IndexResult<int64_t> scrub_catalogue(const std::string& path, const CatalogueScrub& scrub);

}  // namespace soundgate
