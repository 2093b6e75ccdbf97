#include "dataplane/flow/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

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

bool parse_address(const std::string& text, Network& network) {
  network.ipv6 = text.find(':') != std::string::npos;
  return inet_pton(network.ipv6 ? AF_INET6 : AF_INET, text.c_str(), network.address.data()) == 1;
}

}  // namespace

bool Network::contains(const Address& other, bool other_is_ipv6) const {
  return other_is_ipv6 == ipv6 && same_prefix(other, address, prefix_bits);
}

tl::expected<Network, std::string> parse_network(std::string_view text) {
  const size_t slash = std::min(text.find('/'), text.size());
  Network network;
  if (!parse_address(std::string(text.substr(0, slash)), network)) {
    return tl::unexpected(
        std::string(slash < text.size() ? "no address is in front of the /" : "is no address"));
  }
  const unsigned bits_max = network.ipv6 ? 128 : 32;
  network.prefix_bits = bits_max;
  if (slash == text.size()) return network;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, network.prefix_bits);
  if (error != std::errc() || stop != end || network.prefix_bits > bits_max) {
    return tl::unexpected("behind the / must be 0.." + std::to_string(bits_max));
  }
  return network;
}

}  // namespace soundgate
