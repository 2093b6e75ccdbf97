// soundgate-relay: a bad link between two Ethernet interfaces, for tests on kernels without netem.
//   soundgate-relay --seed 7 --loss 0.02 --reorder 0.02 --duplicate 0.01 IF_A IF_B
// Frames of either interface go out of the other one, each direction with its own random numbers
// from the seed. Runs until SIGTERM or SIGINT, then prints what it did to stdout.
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
    set(SOL_SOCKET, SO_RCVBUFFORCE, kSocketBufferBytes);
    set(SOL_SOCKET, SO_SNDBUFFORCE, kSocketBufferBytes);
  }
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;
  ~Interface() { close(socket_); }

  const std::string& name() const { return name_; }
  int socket_descriptor() const { return socket_; }
  uint64_t send_errors() const { return send_errors_; }

  // 0 when there is nothing to read now.
  size_t receive(std::span<std::byte> frame) {
    const ssize_t bytes = recv(socket_, frame.data(), frame.size(), MSG_DONTWAIT);
    return bytes > 0 ? static_cast<size_t>(bytes) : 0;
  }

  void send_frame(Impairment::Frame frame) {
    if (send(socket_, frame.data(), frame.size(), 0) < 0) ++send_errors_;
  }

 private:
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
    for (int i = 0; i < kFramesPerTurn; ++i) {
      const size_t bytes = from.receive(frame_);
      if (bytes == 0) break;
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
                 " [--duplicate RATE] IF_A IF_B\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "soundgate-relay: " << error.what() << "\n";
    return EXIT_FAILURE;
  }
}
