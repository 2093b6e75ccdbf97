// A bridge of the kernel between the two interfaces, as transparent as one can be: it learns
// nothing, answers nothing, and forwards whatever the kernel lets a bridge forward.
// Errors: text, one line, with what the kernel said.
// Thread: one.  Needs CAP_NET_ADMIN.
// Source: rtnetlink(7); linux/if_link.h, IFLA_BR_*.
#pragma once

#include <string>
#include <tl/expected.hpp>

namespace soundgate::bypass {

class Bridge {
 public:
  using Done = tl::expected<void, std::string>;

  Bridge(std::string name, std::string client, std::string origin)
      : name_(std::move(name)), client_(std::move(client)), origin_(std::move(origin)) {}

  // The bridge, without ports, ready for them. One that is there already is taken as it is.
  Done prepare();
  Done join();  // both interfaces become its ports: packets go round from here on
  Done part();  // and not any more

 private:
  std::string name_, client_, origin_;
};

}  // namespace soundgate::bypass
