// When packets went round Soundgate: a line when it began, a line when it ended, written by
// soundgate-bypass, read by soundgated.
//   began 1795939200.250000 soundgated died
//   ended 1795939201.800000
// Errors: text, one line. Lines that are no such lines (torn by a power loss) are passed over.
// Of a file that has become too large the newest periods are kept, whole (soundgated has the older
// ones in its decision log: it reads the journal whenever it takes over).
// Thread: one.  Durable: a line that was written is on the disk.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "dataplane/upload.h"

namespace soundgate {

// Of the file, and of what is kept of it: some 7,000 periods.
constexpr size_t kBypassJournalBytesMax = 1 << 20;
constexpr size_t kBypassJournalBytesKept = kBypassJournalBytesMax / 2;

struct BypassPeriod {
  WallTime began{};
  WallTime ended{};  // began's epoch (0) where it is not over
  std::string cause;
};

// The file may have been made smaller before; where that fails, it grows.
tl::expected<void, std::string> write_bypass_began(const std::filesystem::path& journal,
                                                   WallTime at, std::string_view cause);
tl::expected<void, std::string> write_bypass_ended(const std::filesystem::path& journal,
                                                   WallTime at);

// Oldest first; none where there is no file. Of a large file the end is read.
tl::expected<std::vector<BypassPeriod>, std::string> read_bypasses(
    const std::filesystem::path& journal);

// For read_bypasses and its fuzzer: of any text.
std::vector<BypassPeriod> parse_bypasses(std::string_view text);

}  // namespace soundgate
