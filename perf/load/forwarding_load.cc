// Sends frames out of one interface and takes them in at another one, through whatever forwards
// between: how many came, and how long they took.
// usage: load_forwarding SEND_INTERFACE RECEIVE_INTERFACE SECONDS FRAMES_A_SECOND
//   0 frames a second: as many as go. Prints one line of JSON: sent, received, p50_us, p99_us.
// UDP of 512 bytes: nothing that is inspected. Times are of this process's own clock.
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr size_t kFrameBytes = 512;
constexpr size_t kTimeAt = 64;  // behind Ethernet, IP and UDP headers
constexpr size_t kBurst = 32;
constexpr uint64_t kMark = 0x6E757365'64616F6C;  // which frames are ours
using Frame = std::array<unsigned char, kFrameBytes>;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

int open_socket(const char* interface) {
  const int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  if (descriptor < 0) fail("packet socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
  if (address.sll_ifindex == 0) fail(interface);
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
  const int one = 1, buffer_bytes = 64 << 20;
  setsockopt(descriptor, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
  setsockopt(descriptor, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
  const timeval timeout{0, 100'000};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  return descriptor;
}

Frame make_frame() {
  Frame frame{};
  const unsigned char head[] = {2,
                                0,
                                0,
                                0,
                                0,
                                1,
                                2,
                                0,
                                0,
                                0,
                                0,
                                2,
                                8,
                                0,  // Ethernet
                                0x45,
                                0,
                                (kFrameBytes - 14) >> 8,
                                (kFrameBytes - 14) & 255,
                                0,
                                0,
                                0,
                                0,
                                64,
                                17,
                                0,
                                0,
                                10,
                                0,
                                0,
                                1,
                                10,
                                0,
                                0,
                                2};
  std::copy(std::begin(head), std::end(head), frame.begin());
  frame[37] = 9;  // to the discard port
  std::memcpy(frame.data() + kTimeAt + 8, &kMark, sizeof kMark);
  return frame;
}

uint64_t send_all(int descriptor, Clock::time_point end, double rate) {
  Frame frame = make_frame();
  iovec piece{frame.data(), frame.size()};
  std::array<mmsghdr, kBurst> burst{};
  for (mmsghdr& message : burst) message.msg_hdr = {nullptr, 0, &piece, 1, nullptr, 0, 0};
  const auto period = rate > 0 ? std::chrono::nanoseconds(static_cast<int64_t>(1e9 / rate)) : 0ns;
  uint64_t sent = 0;
  for (auto due = Clock::now(); due<end; due = rate> 0 ? due + period : Clock::now()) {
    while (Clock::now() < due) continue;
    const Clock::duration now = Clock::now().time_since_epoch();
    std::memcpy(frame.data() + kTimeAt, &now, sizeof now);
    const unsigned count = rate > 0 ? 1 : kBurst;
    sent += static_cast<uint64_t>(std::max(0, sendmmsg(descriptor, burst.data(), count, 0)));
  }
  return sent;
}

std::vector<float> receive_all(int descriptor, const std::atomic<bool>& stop) {
  std::vector<float> microseconds;
  microseconds.reserve(20'000'000);
  std::array<Frame, kBurst> frames;
  std::array<iovec, kBurst> pieces;
  std::array<mmsghdr, kBurst> burst{};
  for (size_t i = 0; i < kBurst; ++i) {
    pieces[i] = {frames[i].data(), frames[i].size()};
    burst[i].msg_hdr = {nullptr, 0, &pieces[i], 1, nullptr, 0, 0};
  }
  while (!stop) {
    const int count = recvmmsg(descriptor, burst.data(), kBurst, MSG_WAITFORONE, nullptr);
    const Clock::duration now = Clock::now().time_since_epoch();
    for (int i = 0; i < count; ++i) {
      const unsigned char* bytes = frames[static_cast<size_t>(i)].data();
      if (std::memcmp(bytes + kTimeAt + 8, &kMark, sizeof kMark) != 0) continue;
      Clock::duration then;
      std::memcpy(&then, bytes + kTimeAt, sizeof then);
      microseconds.push_back(std::chrono::duration<float, std::micro>(now - then).count());
    }
  }
  return microseconds;
}

float percentile(std::vector<float>& values, double share) {
  if (values.empty()) return 0;
  const auto place =
      values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  try {
    const int out = open_socket(argv[1]);
    const int in = open_socket(argv[2]);
    std::atomic<bool> stop{false};
    std::vector<float> microseconds;
    std::thread receiver([&] { microseconds = receive_all(in, stop); });
    const auto end =
        Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(std::atof(argv[3]) * 1000));
    const uint64_t sent = send_all(out, end, std::atof(argv[4]));
    std::this_thread::sleep_for(200ms);
    stop = true;
    receiver.join();
    std::printf("{\"sent\": %lu, \"received\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", sent,
                microseconds.size(), percentile(microseconds, 0.5), percentile(microseconds, 0.99));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "load_forwarding: %s\n", error.what());
    return 1;
  }
}
