// One request to the kernel's routing socket, and its answer.
// Errors: text of the kernel's error number.
// Thread: one.  Source: netlink(7), rtnetlink(7).
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace soundgate::bypass {

// A message about a link, put together attribute by attribute.
class LinkRequest {
 public:
  LinkRequest(uint16_t type, uint16_t flags);

  void set_index(int index) { link().ifi_index = index; }
  void bring_up() {
    link().ifi_flags |= 1;  // IFF_UP
    link().ifi_change |= 1;
  }
  void add(uint16_t type, std::string_view text);  // with its NUL
  template <class Integer>
  void add_integer(uint16_t type, Integer value) {
    append(type, &value, sizeof value);
  }
  // What is added until end() belongs to it.
  size_t begin(uint16_t type);
  void end(size_t nest);

  // The kernel's error number, 0 where it did as it was asked; -1 where it did not answer.
  int send();

 private:
  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(buffer_.data()); }
  ifinfomsg& link() { return *static_cast<ifinfomsg*>(NLMSG_DATA(&header())); }
  void append(uint16_t type, const void* value, size_t bytes);

  alignas(NLMSG_ALIGNTO) std::array<char, 1024> buffer_{};
};

}  // namespace soundgate::bypass
