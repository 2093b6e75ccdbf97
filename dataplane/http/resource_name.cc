#include "dataplane/http/resource_name.h"

#include <algorithm>
#include <array>

#include "dataplane/flow/sip_hash.h"
#include "dataplane/http/inspect_rules.h"
#include "dataplane/limits.h"

namespace soundgate {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

ResourceKey digest(const HashSeed& seed, std::string_view host, std::string_view path,
                   std::string_view query) {
  const auto half = [&](uint64_t which) {
    SipHash hasher({seed.first ^ which, seed.second});
    hasher.add(host);
    hasher.add(path);
    hasher.add(query);
    return hasher.finish();
  };
  return {half(1) | 1, half(2)};
}

std::string_view query_of(std::string_view target) {
  target = target.substr(0, target.find('#'));
  const size_t mark = target.find('?');
  return mark == target.npos ? std::string_view() : target.substr(mark + 1);
}

bool may_be_identifier(std::string_view segment) {
  return segment.size() >= kIdentifierBytesMin &&
         std::ranges::any_of(segment, [](char c) { return c >= '0' && c <= '9'; });
}

// What names the resource at most origins: an identifier that nobody could guess, behind the last
// slash or in front of it ("/files/ID", "/files/ID/data"). Empty where there is none.
std::string_view identifier_of(std::string_view path) {
  for (int segments = 0; segments < 2 && !path.empty(); ++segments) {
    while (path.ends_with('/')) path.remove_suffix(1);
    const size_t begin = path.rfind('/') + 1;
    const std::string_view segment = path.substr(begin);
    const std::string_view name = segment.substr(0, segment.find(';'));
    if (may_be_identifier(name)) return name;
    path = path.substr(0, begin);
  }
  return {};
}

std::span<char> lowered(std::string_view text, std::span<char> out) {
  const size_t bytes = std::min(text.size(), out.size());
  std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bytes), out.begin(),
                 lower);
  return out.first(bytes);
}

// "/ID" of "/files/other?a=/ID": @tus/server takes that for the resource. Empty where there is
// none.
std::string_view end_of_query(std::string_view target) {
  while (target.ends_with('/')) target.remove_suffix(1);
  const size_t mark = target.find_first_of("?#");
  const size_t slash = target.rfind('/');
  const bool is_behind = mark != target.npos && slash != target.npos && slash > mark;
  return is_behind ? target.substr(slash) : std::string_view();
}

std::string_view view(std::span<const char> text) { return {text.data(), text.size()}; }

// Without query and fragment, up to and with the last slash of the path.
std::string_view folder_of(std::string_view target) {
  target = target.substr(0, target.find_first_of("?#"));
  return target.substr(0, target.rfind('/') + 1);
}

std::string_view join(std::string_view a, std::string_view b, std::span<char> out) {
  if (a.size() + b.size() > out.size()) return {};
  std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), out.begin()));
  return {out.data(), a.size() + b.size()};
}

}  // namespace

ResourceKeys resource_keys(std::string_view target, std::string_view host_header,
                           const HashSeed& seed) {
  std::array<char, kTargetBytesMax> path_space;
  std::array<char, kTargetBytesMax> text_space;
  const std::string_view path = normal_path(target, path_space);
  const std::string_view host = view(lowered(effective_host(target, host_header), text_space));
  ResourceKeys keys;
  keys.plain = digest(seed, host, path, "");
  const std::string_view query = query_of(target);
  keys.exact = query.empty() ? keys.plain : digest(seed, host, path, query);
  const auto alias_of = [&](std::string_view named) {
    const std::string_view identifier = identifier_of(named);
    return identifier.empty() ? ResourceKey()
                              : digest(seed, "", view(lowered(identifier, text_space)), "");
  };
  keys.alias = alias_of(path);
  const std::string_view end = end_of_query(target);
  if (!end.empty()) keys.query_alias = alias_of(normal_path(end, path_space));
  return keys;
}

std::string_view resolve_location(std::string_view location, std::string_view target,
                                  std::span<char> out) {
  if (location.empty()) return {};
  const size_t scheme = location.find("://");
  const bool absolute = scheme != location.npos && scheme < location.find_first_of("/?#");
  if (absolute || (location.starts_with('/') && !location.starts_with("//"))) {
    return join(location, "", out);
  }
  if (location.starts_with("//")) return join("http:", location, out);
  return join(folder_of(target), location, out);
}

std::string_view without_host(std::string_view target) {
  const size_t scheme = target.find("://");
  if (target.starts_with('/') || scheme == target.npos) return target;
  return target.substr(std::min(target.find('/', scheme + 3), target.size()));
}

std::string_view resource_text(std::string_view target, std::string_view host_header,
                               std::span<char> out) {
  std::array<char, kTargetBytesMax> space;
  const std::string_view path = normal_path(target, space);
  const std::string_view host = effective_host(target, host_header);
  return join(host.substr(0, out.size()),
              path.substr(0, out.size() - std::min(host.size(), out.size())), out);
}

}  // namespace soundgate
