// Starts DPDK's environment, once a process.
// It leaves alone what is not its business: the affinity of the calling thread is restored, and
// no worker threads are started.
// Errors: text that says what was refused. Thread: the one that starts the dataplane.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace soundgate {

// extra: arguments from the configuration. devices: DPDK device strings; names that start with
// "net_" are virtual.
tl::expected<void, std::string> start_eal(const std::vector<std::string>& extra,
                                          const std::vector<std::string>& devices);

// "net_tap0" of "net_tap0,iface=sgc".
std::string device_name(const std::string& device);

}  // namespace soundgate
