#include "deploy/bypass/bridge.h"

#include <linux/if_link.h>
#include <net/if.h>

#include <cerrno>
#include <fstream>
#include <system_error>

#include "deploy/bypass/netlink.h"

namespace soundgate::bypass {
namespace {

// All groups for bridges (01:80:C2:00:00:0X) but those that the kernel never forwards: spanning
// tree, pause frames and link aggregation.
constexpr uint16_t kGroupForwardMask = 0xFFF8;

Bridge::Done failure(const std::string& what, int error) {
  return tl::unexpected(what + ": " +
                        (error > 0 ? std::generic_category().message(error)
                                   : std::string("the kernel did not answer")));
}

Bridge::Done make_bridge(const std::string& name) {
  LinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.add(IFLA_IFNAME, name);
  const size_t info = request.begin(IFLA_LINKINFO);
  request.add(IFLA_INFO_KIND, "bridge");
  const size_t data = request.begin(IFLA_INFO_DATA);
  request.add_integer(IFLA_BR_STP_STATE, uint32_t{0});
  request.add_integer(IFLA_BR_FORWARD_DELAY, uint32_t{0});
  request.add_integer(IFLA_BR_AGEING_TIME, uint32_t{0});  // it learns nothing: there is one way
  request.add_integer(IFLA_BR_MCAST_SNOOPING, uint8_t{0});
  request.add_integer(IFLA_BR_GROUP_FWD_MASK, kGroupForwardMask);
  request.end(data);
  request.end(info);
  const int error = request.send();
  if (error != 0 && error != EEXIST) return failure("cannot make the bridge " + name, error);
  return {};
}

Bridge::Done set_master(const std::string& interface, unsigned bridge_index) {
  const unsigned index = if_nametoindex(interface.c_str());
  if (index == 0 && bridge_index == 0) return {};  // what is gone is in no bridge
  if (index == 0) return failure("the kernel has no interface " + interface, errno);
  LinkRequest request(RTM_NEWLINK, 0);
  request.set_index(static_cast<int>(index));
  if (bridge_index != 0) request.bring_up();
  request.add_integer(IFLA_MASTER, uint32_t{bridge_index});
  const int error = request.send();
  if (error != 0) return failure("cannot bridge " + interface, error);
  return {};
}

}  // namespace

Bridge::Done Bridge::prepare() {
  for (const std::string& interface : {client_, origin_}) {
    if (if_nametoindex(interface.c_str()) == 0) {
      return failure("the kernel has no interface " + interface, errno);
    }
  }
  if (auto made = make_bridge(name_); !made) return made;
  // No address, and no neighbour discovery: nothing of our own may be among the packets.
  std::ofstream("/proc/sys/net/ipv6/conf/" + name_ + "/disable_ipv6") << "1";
  LinkRequest request(RTM_NEWLINK, 0);
  request.set_index(static_cast<int>(if_nametoindex(name_.c_str())));
  request.bring_up();
  const int error = request.send();
  if (error != 0) return failure("cannot bring up " + name_, error);
  return {};
}

Bridge::Done Bridge::join() {
  const unsigned index = if_nametoindex(name_.c_str());
  if (index == 0) return failure("there is no bridge " + name_, errno);
  return set_master(client_, index).and_then([&] { return set_master(origin_, index); });
}

Bridge::Done Bridge::part() {
  Done first = set_master(client_, 0);
  Done second = set_master(origin_, 0);  // whatever became of the first
  return first ? second : first;
}

}  // namespace soundgate::bypass
