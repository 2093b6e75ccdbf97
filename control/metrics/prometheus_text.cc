#include "control/metrics/prometheus_text.h"

#include <array>
#include <cstdio>

namespace soundgate {
namespace {

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

void PrometheusText::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = "soundgate_" + std::string(name);
  text_ += "# HELP " + name_ + " " + std::string(help) + "\n";
  text_ += "# TYPE " + name_ + " " + std::string(type) + "\n";
}

void PrometheusText::sample(double value, Labels labels) {
  text_ += name_;
  char separator = '{';
  for (const auto& [key, text] : labels) {
    text_ += separator + std::string(key) + "=\"" + escaped(text) + "\"";
    separator = ',';
  }
  if (labels.size() > 0) text_ += '}';
  std::array<char, 32> number{};
  std::snprintf(number.data(), number.size(), " %.15g\n", value);
  text_ += number.data();
}

void PrometheusText::single(std::string_view name, std::string_view type, std::string_view help,
                            double value) {
  family(name, type, help);
  sample(value);
}

}  // namespace soundgate
