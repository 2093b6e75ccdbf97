#include "control/cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "control/decisions/verdict_json.h"
#include "control/text.h"

namespace soundgate {
namespace {

constexpr const char* kClearLine = "\r\x1b[K";

void write(std::FILE* file, std::string line) {
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), file);
}

std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

// $'a\033b': what a terminal must not be shown, as bash reads it.
std::string ansi_quoted(std::string_view text) {
  std::string out = "$'";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\'' && c != '\\') {
      out += c;
      continue;
    }
    out += '\\';
    for (const int shift : {6, 3, 0}) out += static_cast<char>('0' + (byte >> shift & 7));
  }
  return out + "'";
}

}  // namespace

void print_line(std::string_view line) { write(stdout, std::string(line)); }

void print_message(std::string_view message) {
  std::fflush(stdout);
  const bool over_progress = isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 0;
  write(stderr, (over_progress ? kClearLine : "") + ("soundgate: " + std::string(message)));
}

void print_json(const nlohmann::ordered_json& value) {
  write(stdout, escape_controls_of_json(dump(value)));
}

std::string pad(std::string_view text, size_t columns) {
  const size_t width = column_count(text);
  return std::string(text) + std::string(width < columns ? columns - width : 0, ' ');
}

std::string shortened(std::string_view text, size_t columns) {
  if (column_count(text) <= columns) return std::string(text);
  return std::string(fitting_prefix(text, columns - 1)) + "…";
}

void Table::print() const {
  if (rows_.size() < 2) return;
  std::vector<size_t> widths(rows_[0].size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], column_count(row[i]));
  }
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += (i > 0 ? "  " : "") + pad(row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    print_line(line);
  }
}

Progress::Progress(size_t total, bool wanted)
    : total_(total),
      shown_(wanted && total > 1 && isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 0) {}

Progress::~Progress() {
  if (shown_) std::fputs(kClearLine, stderr);
}

void Progress::step() {
  ++done_;
  if (shown_) std::fprintf(stderr, "\r%zu of %zu files", done_, total_);
}

std::string field(const nlohmann::ordered_json& object, std::string_view key) {
  const auto found = object.is_object() ? object.find(std::string(key)) : object.end();
  if (found == object.end() || found->is_null()) return "";
  return escape_controls(found->is_string() ? found->get<std::string>() : dump(*found));
}

double number_field(const nlohmann::ordered_json& object, std::string_view key) {
  const auto found = object.is_object() ? object.find(std::string(key)) : object.end();
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

std::string shell_quoted(std::string_view argument) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@%+=,";
  const bool plain = !argument.empty() && argument[0] != '-' &&
                     argument.find_first_not_of(kPlain) == std::string_view::npos;
  if (plain) return std::string(argument);
  return escape_controls(argument) == argument ? single_quoted(argument) : ansi_quoted(argument);
}

}  // namespace soundgate
