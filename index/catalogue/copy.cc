#include "index/catalogue/copy.h"

#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>

#include "index/catalogue/database.h"
#include "index/catalogue/store_directory.h"

namespace soundgate {
namespace {

namespace fs = std::filesystem;

tl::unexpected<IndexError> failed(const std::string& what, const std::string& why) {
  return tl::unexpected(IndexError{IndexError::Kind::kInputOutput, "cannot " + what + ": " + why});
}

}  // namespace

IndexResult<void> copy_database(const fs::path& from, const fs::path& to,
                                const std::function<bool()>& stop) {
  const fs::path unfinished = to.string() + ".new";
  std::error_code error;
  fs::remove(unfinished, error);
  const auto give_up = [&](tl::unexpected<IndexError> why) {
    std::error_code ignored;
    fs::remove(unfinished, ignored);
    return why;
  };
  try {
    Database database(from);
    database.stop_when(stop);
    database.prepare("VACUUM INTO ?").bind(1, std::string_view(unfinished.native())).run();
  } catch (const DatabaseError& caught) {
    return give_up(tl::unexpected(error_of(caught, from.string())));
  }
  const auto number = [] { return std::string(strerror(errno)); };
  if (!sync_path(unfinished)) return give_up(failed("sync " + unfinished.string(), number()));
  fs::rename(unfinished, to, error);
  if (error) return give_up(failed("rename " + unfinished.string(), error.message()));
  const fs::path directory = to.has_parent_path() ? to.parent_path() : fs::path(".");
  if (!sync_path(directory)) return failed("sync " + directory.string(), number());
  return {};
}

}  // namespace soundgate
