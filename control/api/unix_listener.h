// Opens a Unix socket to listen on, unless somebody else does.
#pragma once

#include <filesystem>
#include <optional>

#include "control/error.h"

namespace soundgate {

struct UnixListener {
  int descriptor = -1;
  int lock = -1;  // of PATH.lock, held as long as we listen
};

// group: of the socket's file; none: the process's own.
Result<UnixListener> listen_on(const std::filesystem::path& path, std::optional<unsigned> group);

}  // namespace soundgate
