// A consistent copy of a database, while it is written to: all that was committed before.
// Errors: kInputOutput, kCorrupt.
// Thread: any; on a connection of its own.
#pragma once

#include <filesystem>
#include <functional>

#include "index/index.h"

namespace soundgate {

// Under another name first, synced, then renamed; what had the name is replaced. `stop` is asked
// now and then, and ends it with kConflict.
IndexResult<void> copy_database(const std::filesystem::path& from, const std::filesystem::path& to,
                                const std::function<bool()>& stop = {});

}  // namespace soundgate
