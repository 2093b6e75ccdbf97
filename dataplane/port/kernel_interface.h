// Looks at the kernel interface behind a device before packets are taken from it: drivers that
// copy frames do not check their length, and nobody fills in a checksum that was left to a card.
// Seen: the interface itself, and the other end of a veth pair where that is in the same network
// namespace. What cannot be seen shows in the counters frames_cut and bad_checksums.
// Errors: text that says what is wrong, with the command that mends it.
// Source: ethtool's ioctls (linux/ethtool.h).
#pragma once

#include <string>
#include <tl/expected.hpp>

namespace soundgate {

// device: a DPDK device string. What has no kernel interface passes.
tl::expected<void, std::string> check_kernel_interface(const std::string& device);

}  // namespace soundgate
