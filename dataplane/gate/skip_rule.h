// Traffic that an operator lets pass uninspected until a time: clients by network, or hosts.
// Input: "192.0.2.0/24", "2001:db8::/32", one address, or a host with '*' for any characters.
// Errors: text that says what is wrong with it.
// Thread: a value.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "dataplane/flow/flow_key.h"
#include "dataplane/flow/network.h"
#include "dataplane/upload.h"

namespace soundgate {

struct SkipRule {
  std::string what;      // as it is shown; what a second rule of the same replaces
  bool is_host = false;  // else a network
  Network network{};
  WallTime until{};

  // host: effective_host() of the request.
  bool matches(const FlowKey& flow, std::string_view host, WallTime now) const;
};

tl::expected<SkipRule, std::string> parse_skip_rule(std::string_view what);

}  // namespace soundgate
