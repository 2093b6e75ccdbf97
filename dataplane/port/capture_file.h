// Looks at a capture file before DPDK does, which would take one of another kind of link for a
// capture of nothing.
// Input: pcap (with micro- or nanoseconds, of either byte order) or pcapng; Ethernet only.
// Errors: text that says what is wrong with the file.
// Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tl/expected.hpp>

namespace soundgate {

tl::expected<void, std::string> check_capture(const std::string& file);

// Whether packets of so many bytes are all that a file has: who reads it (libpcap, for DPDK) does
// not say why it stopped. Of pcapng that cannot be told, and it counts as whole.
bool is_whole_capture(const std::string& file, uint64_t packets, uint64_t bytes);

// Of the first bytes of a file.
inline constexpr size_t kCaptureHeadBytes = 4'096;
tl::expected<void, std::string> check_capture_head(std::span<const std::byte> head);

}  // namespace soundgate
