#define ALLOW_EXPERIMENTAL_API  // rte_pcapng is, in all releases up to now

#include "dataplane/port/pcapng_writer.h"

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_pcapng.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace soundgate {
namespace {

constexpr size_t kTimeOffset = 12;        // in a block of a packet, and in one of statistics
constexpr size_t kFrameBytesOffset = 24;  // in a block of a packet

tl::unexpected<std::string> failure(const char* what) {
  const int number = rte_errno != 0 ? rte_errno : errno;
  return tl::unexpected(std::string("cannot ") + what +
                        " a capture: " + std::generic_category().message(number));
}

void store(std::byte* block, size_t offset, uint32_t value) {
  std::memcpy(block + offset, &value, sizeof value);
}

// The upper half comes first, whatever the byte order is.
std::array<uint32_t, 2> halves(std::chrono::nanoseconds time) {
  const auto count = static_cast<uint64_t>(time.count());
  return {static_cast<uint32_t>(count >> 32), static_cast<uint32_t>(count)};
}

}  // namespace

tl::expected<std::unique_ptr<PcapngWriter>, std::string> PcapngWriter::open(
    const std::string& comment, rte_mempool* pool) {
  const int descriptor = memfd_create("soundgate-capture", MFD_CLOEXEC);
  if (descriptor < 0) return failure("begin");
  std::unique_ptr<PcapngWriter> writer(new PcapngWriter(descriptor, pool));
  writer->file_ = rte_pcapng_fdopen(descriptor, nullptr, nullptr, "soundgated", comment.c_str());
  if (writer->file_ == nullptr) return failure("begin");
  return writer;
}

PcapngWriter::~PcapngWriter() {
  if (file_ != nullptr) {
    rte_pcapng_close(file_);  // and the descriptor
  } else {
    close(descriptor_);
  }
}

rte_mbuf* PcapngWriter::block_of(rte_mbuf& copy) {
  const CapturedFrame& frame = captured(copy);
  const auto direction = frame.sent ? RTE_PCAPNG_DIRECTION_OUT : RTE_PCAPNG_DIRECTION_IN;
  copy.ol_flags = 0;  // what a card had seen in it is not said
  rte_mbuf* block =
      rte_pcapng_copy(frame.port, 0, &copy, pool_, UINT32_MAX, rte_get_tsc_cycles(), direction);
  if (block == nullptr) return nullptr;
  auto* bytes = rte_pktmbuf_mtod(block, std::byte*);
  const auto [upper, lower] = halves(frame.time);
  store(bytes, kTimeOffset, upper);
  store(bytes, kTimeOffset + 4, lower);
  store(bytes, kFrameBytesOffset, frame.frame_bytes);
  return block;
}

tl::expected<void, std::string> PcapngWriter::add(std::span<rte_mbuf* const> copies) {
  std::array<rte_mbuf*, kBurstFrames> blocks;
  uint16_t count = 0;
  for (rte_mbuf* copy : copies) {
    rte_mbuf* block = block_of(*copy);
    rte_pktmbuf_free(copy);
    if (block != nullptr) blocks[count++] = block;
  }
  const bool whole = count == copies.size();
  const bool written = rte_pcapng_write_packets(file_, blocks.data(), count) >= 0;
  for (uint16_t i = 0; i < count; ++i) rte_pktmbuf_free(blocks[i]);
  if (!whole || !written) return failure("write");
  return {};
}

tl::expected<void, std::string> PcapngWriter::add_statistics(uint16_t port, uint64_t frames,
                                                             uint64_t lost) {
  const off_t begin = lseek(descriptor_, 0, SEEK_CUR);
  if (begin < 0) return failure("write");
  if (rte_pcapng_write_stats(file_, port, nullptr, 0, 0, frames, lost) < 0) return failure("write");
  const auto time = halves(std::chrono::system_clock::now().time_since_epoch());
  const auto at = begin + static_cast<off_t>(kTimeOffset);
  if (pwrite(descriptor_, time.data(), sizeof time, at) != sizeof time) return failure("write");
  return {};
}

tl::expected<void, std::string> PcapngWriter::move_to(std::vector<std::byte>& blocks) {
  const off_t end = lseek(descriptor_, 0, SEEK_CUR);
  if (end < 0) return failure("read");
  const size_t before = blocks.size();
  blocks.resize(before + static_cast<size_t>(end));
  for (off_t at = 0; at < end;) {
    const ssize_t got =
        pread(descriptor_, blocks.data() + before + at, static_cast<size_t>(end - at), at);
    if (got <= 0) return failure("read");
    at += got;
  }
  if (ftruncate(descriptor_, 0) != 0 || lseek(descriptor_, 0, SEEK_SET) != 0) {
    return failure("read");
  }
  return {};
}

}  // namespace soundgate
