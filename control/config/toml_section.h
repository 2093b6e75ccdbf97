// Reads one table of a TOML file key by key, and refuses what nobody asked for.
// Each getter leaves its target alone where the key is absent; the first mistake is kept as one
// line, and everything after it does nothing.
// For config.cc only: toml++ is a heavy header.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "control/text.h"

namespace soundgate {

// The first mistake of a file.
class TomlErrors {
 public:
  explicit TomlErrors(std::string file) : file_(std::move(file)) {}

  void add(const toml::source_region& where, const std::string& what) {
    if (!message_.empty()) return;
    message_ = file_;
    if (where.begin.line > 0) message_ += ":" + std::to_string(where.begin.line);
    message_ += ": " + escape_controls(what);  // keys and values are quoted in it
  }
  const std::string& message() const { return message_; }
  bool none() const { return message_.empty(); }

 private:
  std::string file_;
  std::string message_;
};

class TomlSection {
 public:
  // prefix: what keys are called in messages, "gate." for table [gate].
  TomlSection(const toml::table& table, std::string prefix, TomlErrors& errors)
      : table_(table), prefix_(std::move(prefix)), errors_(errors) {}

  template <class Integer>
  void integer(std::string_view key, Integer& target, int64_t least, int64_t most) {
    const toml::node* node = get(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<int64_t>();
    const std::string range = std::to_string(least) + ".." + std::to_string(most);
    if (!value) return fail(key, *node, "must be a whole number, " + range);
    if (*value < least || *value > most) {
      return fail(key, *node, "must be " + range + ", is " + std::to_string(*value));
    }
    target = static_cast<Integer>(*value);
  }

  // With or without a point.
  void real(std::string_view key, double& target, double least, double most) {
    const toml::node* node = get(key);
    if (node == nullptr) return;
    const auto value = node->value<double>();
    std::ostringstream what;
    what << "must be a number, " << least << ".." << most;
    if (node->is_number()) what << ", is " << *value;
    if (!node->is_number() || !(*value >= least && *value <= most)) {
      return fail(key, *node, what.str());
    }
    target = *value;
  }

  void boolean(std::string_view key, bool& target) {
    const toml::node* node = get(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<bool>();
    if (!value) return fail(key, *node, "must be true or false");
    target = *value;
  }

  void text(std::string_view key, std::string& target) {
    const toml::node* node = get(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::string>();
    if (!value || value->empty()) return fail(key, *node, "must be a text that is not empty");
    if (std::any_of(value->begin(), value->end(), [](unsigned char c) { return c < 0x20; })) {
      return fail(key, *node, "must be a text without control characters");
    }
    target = *value;
  }

  // One of a few words; apply(word) says whether it knows it.
  template <class Apply>
  void word(std::string_view key, std::string_view choices, const Apply& apply) {
    const toml::node* node = get(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::string>();
    if (!value || !apply(*value)) {
      const std::string is = value ? ", is \"" + *value + "\"" : "";
      fail(key, *node, "must be " + std::string(choices) + is);
    }
  }

  void texts(std::string_view key, std::vector<std::string>& target) {
    list(key, "texts", target,
         [](const toml::node& node) { return node.value_exact<std::string>(); });
  }

  void port_numbers(std::string_view key, std::vector<uint16_t>& target) {
    list(key, "port numbers, 1..65535", target,
         [](const toml::node& node) -> std::optional<uint16_t> {
           const auto value = node.value_exact<int64_t>();
           if (!value || *value < 1 || *value > 65535) return {};
           return static_cast<uint16_t>(*value);
         });
  }

  static constexpr int64_t kCpuMax = 1023;
  void cpus(std::string_view key, std::vector<int>& target) {
    list(key, "CPUs, 0.." + std::to_string(kCpuMax), target,
         [](const toml::node& node) -> std::optional<int> {
           const auto value = node.value_exact<int64_t>();
           if (!value || *value < 0 || *value > kCpuMax) return {};
           return static_cast<int>(*value);
         });
  }

  const toml::table* section(std::string_view key) {
    const toml::node* node = get(key);
    if (node == nullptr) return nullptr;
    if (!node->is_table()) fail(key, *node, "must be a table, [" + std::string(key) + "]");
    return node->as_table();
  }

  const toml::array* array_of_tables(std::string_view key) {
    const toml::node* node = get(key);
    if (node == nullptr) return nullptr;
    const toml::array* array = node->as_array();
    if (array != nullptr && (array->empty() || array->is_homogeneous<toml::table>())) return array;
    fail(key, *node, "must be tables, [[" + std::string(key) + "]]");
    return nullptr;
  }

  void fail(std::string_view key, const toml::node& node, const std::string& what) {
    errors_.add(node.source(), "key " + prefix_ + std::string(key) + ": " + what);
  }

  const toml::node* get(std::string_view key) {
    known_.emplace(key);
    return table_.get(key);
  }

  // Last: every key that no getter asked for is a mistake.
  void refuse_unknown() {
    for (const auto& [key, node] : table_) {
      if (known_.count(std::string(key.str())) == 0) {
        errors_.add(key.source(),
                    "key " + prefix_ + std::string(key.str()) + ": there is no such key");
      }
    }
  }

 private:
  template <class Value, class Parse>
  void list(std::string_view key, const std::string& what, std::vector<Value>& target,
            const Parse& parse) {
    const toml::node* node = get(key);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr) return fail(key, *node, "must be a list of " + what);
    std::vector<Value> values;
    for (const toml::node& element : *array) {
      auto value = parse(element);
      if (!value) return fail(key, element, "must be a list of " + what);
      values.push_back(std::move(*value));
    }
    target = std::move(values);
  }

  const toml::table& table_;
  std::string prefix_;
  TomlErrors& errors_;
  std::set<std::string> known_;
};

}  // namespace soundgate
