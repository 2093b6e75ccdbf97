#include "dataplane/port/kernel_interface.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string_view>

namespace soundgate {
namespace {

// Asks about interfaces of the process's own network namespace.
class Ethtool {
 public:
  explicit Ethtool(std::string interface)
      : interface_(std::move(interface)), socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~Ethtool() { close(socket_); }
  Ethtool(const Ethtool&) = delete;
  Ethtool& operator=(const Ethtool&) = delete;

  uint32_t value(uint32_t command) const {
    ethtool_value value{command, 0};
    return ask(&value) ? value.data : 0;
  }
  bool is_veth() const {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    return ask(&info) && std::string_view(info.driver) == "veth";
  }
  bool merges_received() const {
    return value(ETHTOOL_GGRO) != 0 || (value(ETHTOOL_GFLAGS) & ETH_FLAG_LRO) != 0;
  }
  bool leaves_work_to_a_card() const {
    return value(ETHTOOL_GTXCSUM) != 0 || value(ETHTOOL_GTSO) != 0;
  }

 private:
  bool ask(void* question) const {
    ifreq request{};
    interface_.copy(request.ifr_name, sizeof request.ifr_name - 1);
    request.ifr_data = static_cast<char*>(question);
    return ioctl(socket_, SIOCETHTOOL, &request) == 0;
  }

  const std::string interface_;
  const int socket_;
};

// Of drivers that take frames from an interface that is there; "" for others.
std::string interface_of(const std::string& device) {
  constexpr std::array kDrivers{"net_af_packet", "net_af_xdp", "net_pcap"};
  if (std::ranges::none_of(kDrivers, [&](auto driver) { return device.starts_with(driver); })) {
    return "";
  }
  for (const std::string_view key : {",iface=", ",rx_iface_in=", ",rx_iface="}) {
    const size_t at = device.find(key);
    if (at == std::string::npos) continue;
    const size_t begin = at + key.size();
    return device.substr(begin, device.find(',', begin) - begin);
  }
  return "";
}

unsigned read_iflink(const std::string& interface) {
  unsigned index = 0;
  std::ifstream("/sys/class/net/" + interface + "/iflink") >> index;
  return index;
}

// The other end of a veth pair; "" where it is in another namespace. An interface there may have
// the number of another one here: only one that names us as its own other end is meant.
std::string other_end(const std::string& interface) {
  std::array<char, IF_NAMESIZE> name{};
  if (if_indextoname(read_iflink(interface), name.data()) == nullptr) return "";
  return read_iflink(name.data()) == if_nametoindex(interface.c_str()) ? name.data() : "";
}

}  // namespace

tl::expected<void, std::string> check_kernel_interface(const std::string& device) {
  const std::string interface = interface_of(device);
  if (interface.empty()) return {};
  const auto failure = [&](const std::string& why) {
    return tl::unexpected("port " + device + ": " + why);
  };
  if (if_nametoindex(interface.c_str()) == 0) {
    return failure("there is no interface " + interface);
  }
  const Ethtool ours(interface);
  if (ours.merges_received()) {
    return failure(interface + " merges the frames that it receives, and what is longer than a " +
                   "frame would be cut: ethtool -K " + interface + " gro off lro off");
  }
  const std::string theirs = ours.is_veth() ? other_end(interface) : "";
  if (!theirs.empty() && Ethtool(theirs).leaves_work_to_a_card()) {
    return failure(theirs +
                   ", its other end, leaves checksums and segments to a card that is not " +
                   "there: ethtool -K " + theirs + " tx off tso off gso off gro off");
  }
  return {};
}

}  // namespace soundgate
