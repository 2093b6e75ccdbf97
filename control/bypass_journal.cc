#include "control/bypass_journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <system_error>

namespace soundgate {
namespace {

constexpr size_t kCauseBytesMax = 200;
constexpr size_t kLineBytesMax = kCauseBytesMax + 40;  // with what it is, and when
static_assert(kBypassJournalBytesKept + 2 * kLineBytesMax < kBypassJournalBytesMax,
              "it is not made smaller again and again");
constexpr double kSecondsMax = 1e11;  // some thousand years

tl::unexpected<std::string> failure(const std::filesystem::path& journal) {
  return tl::unexpected(journal.string() + ": " + std::generic_category().message(errno));
}

// One write, so that a reader sees whole lines; and on the disk.
tl::expected<void, std::string> write_to(const std::filesystem::path& file, int how,
                                         const std::string& text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, 0640);
  if (fd < 0) return failure(file);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fdatasync(fd) == 0;
  tl::expected<void, std::string> result;
  if (!written) result = failure(file);
  ::close(fd);
  return result;
}

std::string seconds_text(WallTime at) {
  const double seconds = std::chrono::duration<double>(at.time_since_epoch()).count();
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.6f", seconds);
  return text.data();
}

std::string one_line(std::string_view cause) {
  std::string line(cause.substr(0, kCauseBytesMax));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return line;
}

std::string began_line(WallTime at, std::string_view cause) {
  return "began " + seconds_text(at) + " " + one_line(cause) + "\n";
}

std::string ended_line(WallTime at) { return "ended " + seconds_text(at) + "\n"; }

// The newest periods as lines, as many as may be kept.
std::string newest(const std::vector<BypassPeriod>& periods) {
  std::string text;
  auto first = periods.end();
  for (size_t bytes = 0; first != periods.begin(); --first) {
    const BypassPeriod& period = *std::prev(first);
    bytes += began_line(period.began, period.cause).size() + ended_line(period.ended).size();
    if (bytes > kBypassJournalBytesKept) break;
  }
  for (; first != periods.end(); ++first) {
    text += began_line(first->began, first->cause);
    if (first->ended != WallTime()) text += ended_line(first->ended);
  }
  return text;
}

// Whoever reads it meanwhile has the old file, or the new one. Best effort: what is left for the
// next time is an old file that still tells everything.
void make_smaller(const std::filesystem::path& journal) {
  struct stat status {};
  if (::stat(journal.c_str(), &status) != 0) return;
  if (status.st_size <= static_cast<off_t>(kBypassJournalBytesMax)) return;
  const auto periods = read_bypasses(journal);
  if (!periods) return;
  std::filesystem::path smaller = journal;
  smaller += ".new";
  if (write_to(smaller, O_TRUNC | O_NOFOLLOW, newest(*periods))) {
    ::rename(smaller.c_str(), journal.c_str());
  } else {
    ::unlink(smaller.c_str());
  }
}

bool parse_time_word(std::string_view word, WallTime& at) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), seconds);
  const bool is_number = error == std::errc() && end == word.data() + word.size();
  if (!is_number || !(seconds > 0 && seconds < kSecondsMax)) return false;
  at = WallTime(std::chrono::microseconds(std::llround(seconds * 1e6)));
  return true;
}

void take_line(std::string_view line, std::vector<BypassPeriod>& periods) {
  const size_t blank = line.find(' ');
  if (blank == line.npos) return;
  const std::string_view what = line.substr(0, blank);
  std::string_view rest = line.substr(blank + 1);
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(std::min(word.size() + 1, rest.size()));
  WallTime at;
  if (!parse_time_word(word, at)) return;
  if (what == "began") {
    periods.push_back({at, {}, std::string(rest)});
  } else if (what == "ended" && !periods.empty() && periods.back().ended == WallTime()) {
    periods.back().ended = at;
  }
}

}  // namespace

tl::expected<void, std::string> write_bypass_began(const std::filesystem::path& journal,
                                                   WallTime at, std::string_view cause) {
  make_smaller(journal);
  return write_to(journal, O_APPEND, began_line(at, cause));
}

tl::expected<void, std::string> write_bypass_ended(const std::filesystem::path& journal,
                                                   WallTime at) {
  return write_to(journal, O_APPEND, ended_line(at));
}

std::vector<BypassPeriod> parse_bypasses(std::string_view text) {
  std::vector<BypassPeriod> periods;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == text.npos) break;  // a line that is not whole
    take_line(text.substr(0, end), periods);
    text.remove_prefix(end + 1);
  }
  return periods;
}

tl::expected<std::vector<BypassPeriod>, std::string> read_bypasses(
    const std::filesystem::path& journal) {
  const int fd = ::open(journal.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return std::vector<BypassPeriod>();
  if (fd < 0) return failure(journal);
  struct stat status {};
  ::fstat(fd, &status);
  std::string text(std::min(static_cast<size_t>(status.st_size), kBypassJournalBytesMax), '\0');
  const off_t from = status.st_size - static_cast<off_t>(text.size());
  const ssize_t bytes = ::pread(fd, text.data(), text.size(), from);
  ::close(fd);
  if (bytes < 0) return failure(journal);
  text.resize(static_cast<size_t>(bytes));
  return parse_bypasses(text);
}

}  // namespace soundgate
