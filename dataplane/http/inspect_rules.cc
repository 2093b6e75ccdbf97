#include "dataplane/http/inspect_rules.h"

#include <algorithm>
#include <array>
#include <utility>

namespace soundgate {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same(char a, char b, bool ignore_case) { return ignore_case ? lower(a) == lower(b) : a == b; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

// Where an absolute-form target has its authority; npos in origin-form.
size_t authority_begin(std::string_view target) {
  const size_t scheme = target.starts_with('/') ? std::string_view::npos : target.find("://");
  return scheme == std::string_view::npos ? scheme : scheme + 3;
}

// "user@a.example:80" has the host "a.example".
std::string_view authority_of(std::string_view target) {
  const size_t begin = authority_begin(target);
  if (begin == std::string_view::npos) return {};
  const std::string_view rest = target.substr(begin);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  return authority.substr(authority.rfind('@') + 1);
}

// The host without its port: "a.example:80", "[2001:db8::7]:80".
std::string_view without_port(std::string_view host) {
  const size_t address_end = host.starts_with('[') ? host.find(']') : 0;
  return host.substr(0, host.find(':', address_end));
}

std::string_view path_part(std::string_view target) {
  const size_t begin = authority_begin(target);
  if (begin != std::string_view::npos) {
    const size_t end = target.find_first_of("/?#", begin);
    const bool has_path = end != std::string_view::npos && target[end] == '/';
    target = has_path ? target.substr(end) : "/";
  }
  return target.substr(0, target.find_first_of("?#"));
}

// Writes the decoded path; returns its length.
size_t decode(std::string_view path, std::span<char> out) {
  size_t bytes = 0;
  for (size_t at = 0; at < path.size() && bytes < out.size(); ++at, ++bytes) {
    const bool escaped = path[at] == '%' && at + 2 < path.size() && hex_value(path[at + 1]) >= 0 &&
                         hex_value(path[at + 2]) >= 0;
    out[bytes] = escaped ? static_cast<char>(hex_value(path[at + 1]) << 4 | hex_value(path[at + 2]))
                         : path[at];
    if (escaped) at += 2;
  }
  return bytes;
}

// Resolves "//", "/./" and "/../" in place; returns the new length.
size_t resolve(std::span<char> path) {
  const std::string_view all(path.data(), path.size());
  size_t out = 0;
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find('/', at + 1), all.size());
    const std::string_view segment = all.substr(at, end - at);  // "/name", in most cases
    const bool is_last = end == all.size();
    if (segment == "/.." || segment == "/." || segment == "/") {
      if (segment == "/..") {
        while (out > 0 && path[--out] != '/') {
        }
      }
      if (is_last) path[out++] = '/';
    } else {
      std::copy(segment.begin(), segment.end(), path.data() + out);
      out += segment.size();
    }
    at = end;
  }
  return out;
}

bool any_glob_matches(const std::vector<std::string>& patterns, std::string_view value,
                      bool ignore_case) {
  return patterns.empty() || std::ranges::any_of(patterns, [&](const std::string& pattern) {
           return glob_matches(pattern, value, ignore_case);
         });
}

bool rule_matches(const InspectRule& rule, const RequestFacts& facts) {
  if (std::ranges::find(rule.methods, facts.method) == rule.methods.end()) return false;
  if (!rule.ports.empty() && std::ranges::find(rule.ports, facts.port) == rule.ports.end()) {
    return false;
  }
  if (facts.body_bytes >= 0 && facts.body_bytes < rule.body_bytes_min) return false;
  // What names no host is for the origin's default one, which may be any.
  return (facts.host.empty() || any_glob_matches(rule.hosts, facts.host, true)) &&
         any_glob_matches(rule.paths, facts.path, false);
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text, bool ignore_case) {
  size_t star = std::string_view::npos;  // the last '*' seen, and the text it has taken so far
  size_t resume = 0;
  size_t p = 0;
  size_t t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && same(pattern[p], text[t], ignore_case)) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string_view effective_host(std::string_view target, std::string_view header) {
  const std::string_view authority = authority_of(target);
  std::string_view host = without_port(trimmed(authority.empty() ? header : authority));
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

std::string_view normal_path(std::string_view target, std::span<char> out) {
  const size_t decoded = decode(path_part(target), out);
  return {out.data(), resolve(out.first(decoded))};
}

InspectRules::InspectRules(std::vector<InspectRule> rules) : rules_(std::move(rules)) {
  for (InspectRule& rule : rules_) {
    if (rule.methods.empty()) rule.methods = {"PUT", "POST", "PATCH"};
    if (rule.ports.empty()) ports_.set();
    for (uint16_t port : rule.ports) ports_.set(port);
  }
}

bool InspectRules::match(const RequestFacts& facts) const {
  return std::ranges::any_of(rules_,
                             [&](const InspectRule& rule) { return rule_matches(rule, facts); });
}

}  // namespace soundgate
