// How a resource that is uploaded in parts is told from others: by keyed digests of its host and
// path, as the origin understands them.
// Thread: any.  Memory: none.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "dataplane/flow/flow_key.h"

namespace soundgate {

// 128 bits of SipHash: two names never meet in one. Zero names nothing.
struct ResourceKey {
  uint64_t first = 0;
  uint64_t second = 0;
  bool is_set() const { return (first | second) != 0; }
  friend bool operator==(const ResourceKey&, const ResourceKey&) = default;
};

struct ResourceKeys {
  ResourceKey exact;  // host, path and query
  ResourceKey plain;  // host and path: clients may add a query of their own
  // What an origin may still take for the same: by the identifier in the path, whatever its case,
  // the host, and what stands around it. Unset where the path has nothing like an identifier.
  ResourceKey alias;
  // Likewise for origins that look behind the last slash of all the target: unset where that one is
  // not in a query or fragment.
  ResourceKey query_alias;
};

ResourceKeys resource_keys(std::string_view target, std::string_view host_header,
                           const HashSeed& seed);

// The target that a response's Location means, of a request for `target`: written into `out`; empty
// where it does not fit. Source: RFC 3986 section 5.2.
std::string_view resolve_location(std::string_view location, std::string_view target,
                                  std::span<char> out);

// A target without the scheme and host that it may begin with.
std::string_view without_host(std::string_view target);

// "host/path", for people.
std::string_view resource_text(std::string_view target, std::string_view host_header,
                               std::span<char> out);

}  // namespace soundgate
