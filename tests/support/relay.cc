// soundgate-relay: a bad link between two Ethernet interfaces, for tests on kernels without netem.
//   soundgate-relay --seed 7 --loss 0.02 --reorder 0.02 --duplicate 0.01 IF_A IF_B
//   soundgate-relay --vlan 7 --vlan 8 IF_A IF_B
// Frames of either interface go out of the other one, each direction with its own random numbers
// from the seed. With VLAN identifiers, frames from A get these tags, the first one outermost, and
// frames from B lose as many. Runs until SIGTERM or SIGINT, then prints what it did to stdout.
// The interfaces' offloads must be off: frames are relayed as they are read, checksums included.
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "tests/support/impairment.h"

namespace soundgate {
namespace {

constexpr size_t kFrameBytesMax = 65536;
constexpr int kSocketBufferBytes = 16 << 20;
constexpr int kFramesPerTurn = 64;  // read from one interface before the other gets its turn

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

constexpr size_t kTagBytes = 4;
constexpr size_t kMacBytes = 12;  // both addresses

// frame has room behind its first `bytes`.
void push_tag(std::span<std::byte> frame, size_t bytes, uint16_t type, uint16_t tag) {
  std::memmove(frame.data() + kMacBytes + kTagBytes, frame.data() + kMacBytes, bytes - kMacBytes);
  const uint16_t field[] = {htons(type), htons(tag)};
  std::memcpy(frame.data() + kMacBytes, field, sizeof field);
}

// Returns how long the frame is then.
size_t pop_tags(std::span<std::byte> frame, size_t bytes, size_t count) {
  const size_t gone = count * kTagBytes;
  if (gone == 0 || bytes < kMacBytes + gone + 2) return bytes;
  std::memmove(frame.data() + kMacBytes, frame.data() + kMacBytes + gone, bytes - kMacBytes - gone);
  return bytes - gone;
}

// One interface: a packet socket that sees what arrives, and not what it sends itself.
class Interface {
 public:
  explicit Interface(const std::string& name)
      : name_(name), socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
    if (socket_ < 0) fail("packet socket");
    const unsigned index = if_nametoindex(name.c_str());
    if (index == 0) fail("interface " + name);

    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(index);
    if (bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      fail("bind to " + name);
    }
    packet_mreq promiscuous{};
    promiscuous.mr_ifindex = address.sll_ifindex;
    promiscuous.mr_type = PACKET_MR_PROMISC;
    set(SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous);
    set(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    set(SOL_PACKET, PACKET_AUXDATA, 1);
    set(SOL_SOCKET, SO_RCVBUFFORCE, kSocketBufferBytes);
    set(SOL_SOCKET, SO_SNDBUFFORCE, kSocketBufferBytes);
  }
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;
  ~Interface() { close(socket_); }

  const std::string& name() const { return name_; }
  int socket_descriptor() const { return socket_; }
  uint64_t send_errors() const { return send_errors_; }

  // 0 when there is nothing to read now. There is room for a tag more than is read.
  size_t receive(std::span<std::byte> frame) {
    iovec part{frame.data(), frame.size() - kTagBytes};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t received = recvmsg(socket_, &message, MSG_DONTWAIT);
    if (received <= 0) return 0;
    const auto bytes = static_cast<size_t>(received);
    return restore_tag(message, frame, bytes) ? bytes + kTagBytes : bytes;
  }

  void send_frame(Impairment::Frame frame) {
    if (send(socket_, frame.data(), frame.size(), 0) < 0) ++send_errors_;
  }

 private:
  // The kernel takes the outer tag off, and says what it was.
  static bool restore_tag(msghdr& message, std::span<std::byte> frame, size_t bytes) {
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one)) {
      if (one->cmsg_level != SOL_PACKET || one->cmsg_type != PACKET_AUXDATA) continue;
      tpacket_auxdata data;
      std::memcpy(&data, CMSG_DATA(one), sizeof data);
      if ((data.tp_status & TP_STATUS_VLAN_VALID) == 0) continue;
      const bool says_type = (data.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
      push_tag(frame, bytes, says_type ? data.tp_vlan_tpid : uint16_t{ETH_P_8021Q},
               data.tp_vlan_tci);
      return true;
    }
    return false;
  }

  template <class Value>
  void set(int level, int option, const Value& value) {
    if (setsockopt(socket_, level, option, &value, sizeof value) != 0) fail("option of " + name_);
  }

  std::string name_;
  int socket_;
  uint64_t send_errors_ = 0;
};

struct Arguments {
  ImpairmentRates rates;
  uint64_t seed = 1;
  std::vector<uint16_t> vlans;  // outermost first
  std::vector<std::string> interfaces;
};

double parse_rate(const std::string& text) {
  size_t used = 0;
  const double rate = std::stod(text, &used);
  if (used != text.size() || !(rate >= 0 && rate <= 1)) {
    throw std::invalid_argument("not a rate between 0 and 1: " + text);
  }
  return rate;
}

Arguments parse(std::span<char*> words) {
  Arguments arguments;
  for (size_t i = 1; i < words.size(); ++i) {
    const std::string word = words[i];
    if (!word.starts_with("--")) {
      arguments.interfaces.push_back(word);
      continue;
    }
    if (++i == words.size()) throw std::invalid_argument("no value for " + word);
    const std::string value = words[i];
    if (word == "--seed") {
      arguments.seed = std::stoull(value);
    } else if (word == "--loss") {
      arguments.rates.loss = parse_rate(value);
    } else if (word == "--vlan") {
      arguments.vlans.push_back(static_cast<uint16_t>(std::stoul(value)));
    } else if (word == "--duplicate") {
      arguments.rates.duplicate = parse_rate(value);
    } else if (word == "--reorder") {
      arguments.rates.reorder = parse_rate(value);
    } else {
      throw std::invalid_argument("unknown option " + word);
    }
  }
  if (arguments.interfaces.size() != 2) throw std::invalid_argument("two interfaces are needed");
  return arguments;
}

// SIGTERM and SIGINT as a descriptor, so that the one poll loop hears of them.
int open_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) fail("sigprocmask");
  const int descriptor = signalfd(-1, &signals, SFD_CLOEXEC);
  if (descriptor < 0) fail("signalfd");
  return descriptor;
}

class Relay {
 public:
  explicit Relay(const Arguments& arguments)
      : a_(arguments.interfaces[0]),
        b_(arguments.interfaces[1]),
        vlans_(arguments.vlans),
        a_to_b_(arguments.rates, 2 * arguments.seed,
                [this](Impairment::Frame frame) { b_.send_frame(frame); }),
        b_to_a_(arguments.rates, 2 * arguments.seed + 1,
                [this](Impairment::Frame frame) { a_.send_frame(frame); }) {}

  void run() {
    std::array<pollfd, 3> descriptors{{{a_.socket_descriptor(), POLLIN, 0},
                                       {b_.socket_descriptor(), POLLIN, 0},
                                       {open_stop_signals(), POLLIN, 0}}};
    while ((descriptors[2].revents & POLLIN) == 0) {
      if (poll(descriptors.data(), descriptors.size(), wait_ms()) < 0 && errno != EINTR) {
        fail("poll");
      }
      take_turn(a_, a_to_b_);
      take_turn(b_, b_to_a_);
    }
  }

  void report() const {
    report(a_, b_, a_to_b_.counts());
    report(b_, a_, b_to_a_.counts());
  }

 private:
  void take_turn(Interface& from, Impairment& direction) {
    const std::span<std::byte> space(frame_);
    for (int i = 0; i < kFramesPerTurn; ++i) {
      size_t bytes = from.receive(space.first(space.size() - vlans_.size() * kTagBytes));
      if (bytes == 0) break;
      if (&from == &b_) bytes = pop_tags(space, bytes, vlans_.size());
      for (size_t tag = vlans_.size(); tag > 0 && &from == &a_; --tag, bytes += kTagBytes) {
        push_tag(space, bytes, ETH_P_8021Q, vlans_[tag - 1]);
      }
      direction.receive(std::span(frame_).first(bytes), Impairment::Clock::now());
    }
    direction.expire(Impairment::Clock::now());
  }

  int wait_ms() const {
    auto expiry = a_to_b_.next_expiry();
    if (const auto other = b_to_a_.next_expiry(); other && (!expiry || *other < *expiry)) {
      expiry = other;
    }
    if (!expiry) return -1;
    const auto wait =
        std::chrono::ceil<std::chrono::milliseconds>(*expiry - Impairment::Clock::now());
    return std::max(0, static_cast<int>(wait.count()));
  }

  static void report(const Interface& from, const Interface& to, const Impairment::Counts& counts) {
    std::cout << from.name() << " > " << to.name() << ": " << counts.received << " frames, "
              << counts.lost << " lost, " << counts.duplicated << " duplicated, "
              << counts.reordered << " reordered, " << to.send_errors() << " send errors\n";
  }

  Interface a_, b_;
  std::vector<uint16_t> vlans_;
  Impairment a_to_b_, b_to_a_;
  std::vector<std::byte> frame_ = std::vector<std::byte>(kFrameBytesMax);
};

}  // namespace
}  // namespace soundgate

int main(int argument_count, char** arguments) {
  try {
    soundgate::Relay relay(soundgate::parse({arguments, static_cast<size_t>(argument_count)}));
    std::cout << "relaying" << std::endl;  // whoever started us may go on now
    relay.run();
    relay.report();
    return EXIT_SUCCESS;
  } catch (const std::invalid_argument& error) {
    std::cerr << "soundgate-relay: " << error.what()
              << "\nusage: soundgate-relay [--seed N] [--loss RATE] [--reorder RATE]"
                 " [--duplicate RATE] [--vlan ID]… IF_A IF_B\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "soundgate-relay: " << error.what() << "\n";
    return EXIT_FAILURE;
  }
}
