// Decides from a request's head whether its body is inspected ([[inspect]] rules).
// Paths are compared as origins understand them: decoded, with "//", "." and ".." resolved.
// Thread: the owning lcore.  Memory: none after construction.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/dataplane.h"
#include "dataplane/http/text.h"

namespace soundgate {

// '*' stands for any characters, also none.
bool glob_matches(std::string_view pattern, std::string_view text, bool ignore_case);

// The path of a request target (origin-form or absolute-form), without its query, decoded and
// resolved into `out`. Returns the part of `out` that was used.
std::string_view normal_path(std::string_view target, std::span<char> out);

// The host that an origin takes the request to be for: an absolute-form target's before the Host
// header's (RFC 9112 section 3.2.2), without port, blanks around it, and the root's dot.
std::string_view effective_host(std::string_view target, std::string_view header);

struct RequestFacts {
  uint16_t port = 0;      // the origin's
  std::string_view host;  // effective_host()
  std::string_view path;  // normal_path()
  std::string_view method;
  int64_t body_bytes = -1;  // -1: not said
};

class InspectRules {
 public:
  explicit InspectRules(std::vector<InspectRule> rules);

  bool concerns_port(uint16_t port) const { return ports_[port]; }
  bool match(const RequestFacts& facts) const;

 private:
  std::vector<InspectRule> rules_;
  std::bitset<65'536> ports_;
};

}  // namespace soundgate
