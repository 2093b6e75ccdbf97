// What a person or a script sees: data on stdout, messages on stderr, columns that line up.
// Everything that came from outside goes through escape_controls before it gets here.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace soundgate {

void print_line(std::string_view line);                // stdout
void print_message(std::string_view message);          // stderr, "soundgate: …"
void print_json(const nlohmann::ordered_json& value);  // stdout, one line

std::string pad(std::string_view text, size_t columns);        // left-aligned, never cut
std::string shortened(std::string_view text, size_t columns);  // cut with "…" where longer

// Rows of cells; every column as wide as its widest cell. Nothing is printed without rows.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "12 of 100 files" on stderr while a command works: on a terminal only, and not where the results
// themselves go to one.
class Progress {
 public:
  Progress(size_t total, bool wanted);
  ~Progress();
  void step();

 private:
  size_t total_;
  size_t done_ = 0;
  bool shown_;
};

// A text of a JSON object, escaped for the terminal; "" where it is absent or null.
std::string field(const nlohmann::ordered_json& object, std::string_view key);
double number_field(const nlohmann::ordered_json& object, std::string_view key);  // 0 likewise

// Of raw text: what comes out can be shown, and pasted into bash.
std::string shell_quoted(std::string_view argument);

}  // namespace soundgate
