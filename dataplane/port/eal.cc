#include "dataplane/port/eal.h"

#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>

namespace soundgate {
namespace {

bool is_virtual(const std::string& device) { return device.starts_with("net_"); }

// One lcore only (the packet threads are our own), and free to run on any CPU.
std::string one_lcore_on_any_cpu() {
  const long cpus = std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
  return "--lcores=0@(0-" + std::to_string(cpus - 1) + ")";
}

bool gives(const std::vector<std::string>& arguments, std::initializer_list<const char*> names) {
  return std::ranges::any_of(arguments, [&](const std::string& argument) {
    return std::ranges::any_of(names, [&](const char* name) { return argument.starts_with(name); });
  });
}

// Fanout over several queue pairs would tear the packets of one connection apart.
std::string with_one_queue_pair(const std::string& device) {
  const bool could_fan_out =
      device.starts_with("net_af_packet") && device.find("qpairs=") == std::string::npos;
  return could_fan_out ? device + ",qpairs=1" : device;
}

std::vector<std::string> all_arguments(const std::vector<std::string>& extra,
                                       const std::vector<std::string>& devices) {
  std::vector<std::string> arguments{"soundgated"};
  arguments.insert(arguments.end(), extra.begin(), extra.end());
  if (!gives(extra, {"-l", "-c", "--lcores"})) arguments.push_back(one_lcore_on_any_cpu());
  // Without the shared run-time files several processes can run side by side.
  if (!gives(extra, {"--no-shconf", "--in-memory", "--file-prefix"})) {
    arguments.push_back("--no-shconf");
  }
  // What goes wrong is said once, by us; the drivers complain about much that is harmless.
  if (!gives(extra, {"--log-level"})) arguments.push_back("--log-level=critical");
  if (std::ranges::all_of(devices, is_virtual) && !gives(extra, {"--no-pci"})) {
    arguments.push_back("--no-pci");
  }
  for (const std::string& device : devices) {
    arguments.push_back(is_virtual(device) ? "--vdev" : "-a");
    arguments.push_back(with_one_queue_pair(device));
  }
  return arguments;
}

// The EAL pins the thread that starts it; that thread has other work to do.
class AffinityRestored {
 public:
  AffinityRestored() { pthread_getaffinity_np(pthread_self(), sizeof cpus_, &cpus_); }
  ~AffinityRestored() { pthread_setaffinity_np(pthread_self(), sizeof cpus_, &cpus_); }
  AffinityRestored(const AffinityRestored&) = delete;
  AffinityRestored& operator=(const AffinityRestored&) = delete;

 private:
  cpu_set_t cpus_{};
};

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

}  // namespace

tl::expected<void, std::string> start_eal(const std::vector<std::string>& extra,
                                          const std::vector<std::string>& devices) {
  std::vector<std::string> arguments = all_arguments(extra, devices);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  const AffinityRestored affinity;
  if (rte_eal_init(static_cast<int>(pointers.size()), pointers.data()) >= 0) return {};
  return tl::unexpected("DPDK did not start (" + std::string(rte_strerror(rte_errno)) +
                        ") with: " + joined(arguments) + " (--log-level=debug tells more)");
}

std::string device_name(const std::string& device) { return device.substr(0, device.find(',')); }

}  // namespace soundgate
