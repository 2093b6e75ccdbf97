// A range of addresses, as operators write it.
// Input: "192.0.2.0/24", "2001:db8::/32", or one address.
// Errors: text that says what is wrong with it.
// Thread: a value.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "dataplane/flow/frame.h"

namespace soundgate {

struct Network {
  bool ipv6 = false;
  Address address{};
  unsigned prefix_bits = 0;

  bool contains(const Address& other, bool other_is_ipv6) const;
};

tl::expected<Network, std::string> parse_network(std::string_view text);

}  // namespace soundgate
