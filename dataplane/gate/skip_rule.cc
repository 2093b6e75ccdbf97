#include "dataplane/gate/skip_rule.h"

#include <algorithm>

#include "dataplane/http/inspect_rules.h"
#include "dataplane/limits.h"

namespace soundgate {
namespace {

bool can_be_host(std::string_view text) {
  constexpr std::string_view kMarks = "*-._[]:";
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kMarks.find(c) != kMarks.npos;
  });
}

}  // namespace

bool SkipRule::matches(const FlowKey& flow, std::string_view host, WallTime now) const {
  if (now >= until) return false;
  if (is_host) return glob_matches(what, host, true);
  return network.contains(flow.client, flow.ipv6);
}

tl::expected<SkipRule, std::string> parse_skip_rule(std::string_view what) {
  if (what.empty() || what.size() > kSkipTextBytesMax) {
    return tl::unexpected("must be 1.." + std::to_string(kSkipTextBytesMax) + " bytes");
  }
  SkipRule rule;
  rule.what = what;
  if (const auto network = parse_network(what)) {
    rule.network = *network;
    return rule;
  } else if (what.find('/') != what.npos) {
    return tl::unexpected(network.error());
  }
  if (!can_be_host(what)) return tl::unexpected(std::string("is neither a network nor a host"));
  rule.is_host = true;
  return rule;
}

}  // namespace soundgate
