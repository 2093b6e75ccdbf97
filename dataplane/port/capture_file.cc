#include "dataplane/port/capture_file.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

namespace soundgate {
namespace {

constexpr uint32_t kMagicMicroseconds = 0xA1B2C3D4;
constexpr uint32_t kMagicNanoseconds = 0xA1B23C4D;
constexpr uint32_t kSectionBlock = 0x0A0D0D0A;
constexpr uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr uint32_t kInterfaceBlock = 1;
constexpr uint32_t kEthernet = 1;
constexpr size_t kPcapHeaderBytes = 24;
constexpr size_t kPcapRecordHeaderBytes = 16;

tl::unexpected<std::string> refuse(std::string why) { return tl::unexpected(std::move(why)); }

// Integers of a file that says itself in which byte order they are.
class Words {
 public:
  explicit Words(std::span<const std::byte> bytes) : bytes_(bytes) {}
  void swap(bool swapped) { swapped_ = swapped; }
  bool has(size_t at, size_t bytes) const { return at <= size() && bytes <= size() - at; }
  size_t size() const { return bytes_.size(); }
  uint32_t word(size_t at) const {
    uint32_t value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return swapped_ ? __builtin_bswap32(value) : value;
  }
  uint16_t half(size_t at) const {
    uint16_t value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return swapped_ ? __builtin_bswap16(value) : value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool swapped_ = false;
};

tl::expected<void, std::string> check_link(uint32_t type) {
  if (type == kEthernet) return {};
  return refuse("its frames are not Ethernet's (link type " + std::to_string(type) +
                "); capture on one interface, not on \"any\"");
}

bool is_pcap(Words& words) {
  for (const bool swapped : {false, true}) {
    words.swap(swapped);
    const uint32_t magic = words.word(0);
    if (magic == kMagicMicroseconds || magic == kMagicNanoseconds) return true;
  }
  return false;
}

tl::expected<void, std::string> check_pcapng(Words& words) {
  words.swap(false);
  if (words.word(8) != kByteOrderMagic) words.swap(true);
  if (words.word(8) != kByteOrderMagic) return refuse("its byte order is none");
  size_t at = 0;
  while (words.has(at, 12)) {
    const uint32_t block_bytes = words.word(at + 4);
    if (words.word(at) == kInterfaceBlock) return check_link(words.half(at + 8));
    if (block_bytes < 12 || block_bytes % 4 != 0) return refuse("it is damaged");
    at += block_bytes;
  }
  return refuse("it does not begin with an interface");
}

}  // namespace

tl::expected<void, std::string> check_capture_head(std::span<const std::byte> head) {
  Words words(head);
  if (!words.has(0, kPcapHeaderBytes)) return refuse("it is too short for a capture");
  if (is_pcap(words)) return check_link(words.word(20) & 0x0FFF'FFFF);
  if (words.word(0) == kSectionBlock) return check_pcapng(words);
  return refuse("it is neither pcap nor pcapng");
}

bool is_whole_capture(const std::string& file, uint64_t packets, uint64_t bytes) {
  std::array<std::byte, kPcapHeaderBytes> head{};
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(head.data()), head.size());
  Words words(head);
  if (!in || !is_pcap(words)) return static_cast<bool>(in);
  std::error_code unreadable;
  const uint64_t size = std::filesystem::file_size(file, unreadable);
  return !unreadable && size == kPcapHeaderBytes + packets * kPcapRecordHeaderBytes + bytes;
}

tl::expected<void, std::string> check_capture(const std::string& file) {
  const auto failure = [&](const std::string& why) {
    return tl::unexpected("capture " + file + ": " + why);
  };
  if (file.find(',') != file.npos) return failure("DPDK takes no name with a comma in it");
  std::ifstream in(file, std::ios::binary);
  if (!in) return failure(std::generic_category().message(errno));
  std::vector<std::byte> head(kCaptureHeadBytes);
  in.read(reinterpret_cast<char*>(head.data()), static_cast<std::streamsize>(head.size()));
  if (in.bad()) return failure(std::generic_category().message(errno));
  head.resize(static_cast<size_t>(in.gcount()));
  if (const auto checked = check_capture_head(head); !checked) return failure(checked.error());
  return {};
}

}  // namespace soundgate
