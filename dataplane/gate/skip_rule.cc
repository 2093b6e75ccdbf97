#include "dataplane/gate/skip_rule.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "dataplane/http/inspect_rules.h"
#include "dataplane/limits.h"

namespace soundgate {
namespace {

bool same_prefix(const Address& a, const Address& b, unsigned bits) {
  const size_t whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin()))
    return false;
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::byte>(0xFF << (8 - rest));
  return (a[whole] & mask) == (b[whole] & mask);
}

bool parse_address(const std::string& text, SkipRule& rule) {
  rule.ipv6 = text.find(':') != std::string::npos;
  return inet_pton(rule.ipv6 ? AF_INET6 : AF_INET, text.c_str(), rule.network.data()) == 1;
}

bool can_be_host(std::string_view text) {
  constexpr std::string_view kMarks = "*-._[]:";
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kMarks.find(c) != kMarks.npos;
  });
}

tl::expected<SkipRule, std::string> parse_network(std::string_view what, size_t slash) {
  SkipRule rule;
  rule.what = what;
  if (!parse_address(std::string(what.substr(0, slash)), rule)) {
    return tl::unexpected(std::string("no address is in front of the /"));
  }
  const unsigned bits_max = rule.ipv6 ? 128 : 32;
  const char* end = what.data() + what.size();
  const auto [stop, error] = std::from_chars(what.data() + slash + 1, end, rule.prefix_bits);
  if (error != std::errc() || stop != end || rule.prefix_bits > bits_max) {
    return tl::unexpected("behind the / must be 0.." + std::to_string(bits_max));
  }
  return rule;
}

}  // namespace

bool SkipRule::matches(const FlowKey& flow, std::string_view host, WallTime now) const {
  if (now >= until) return false;
  if (is_host) return glob_matches(what, host, true);
  return flow.ipv6 == ipv6 && same_prefix(flow.client, network, prefix_bits);
}

tl::expected<SkipRule, std::string> parse_skip_rule(std::string_view what) {
  if (what.empty() || what.size() > kSkipTextBytesMax) {
    return tl::unexpected("must be 1.." + std::to_string(kSkipTextBytesMax) + " bytes");
  }
  if (const size_t slash = what.find('/'); slash != what.npos) return parse_network(what, slash);
  SkipRule rule;
  rule.what = what;
  if (parse_address(rule.what, rule)) {
    rule.prefix_bits = rule.ipv6 ? 128 : 32;
    return rule;
  }
  if (!can_be_host(what)) return tl::unexpected(std::string("is neither a network nor a host"));
  rule = {};
  rule.what = what;
  rule.is_host = true;
  return rule;
}

}  // namespace soundgate
