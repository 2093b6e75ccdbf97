#include "fingerprint/decode/worker/worker_process.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "fingerprint/decode/limits.h"
#include "fingerprint/decode/shared/handover.h"
#include "fingerprint/decode/worker/sandbox.h"
#include "fingerprint/decode/worker/scheduler.h"

namespace soundgate::decode {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // which reserves terabytes, and reads files at the end
#else
constexpr bool kSanitized = false;
#endif
constexpr rlim_t kContextBytesMax = (rlim_t{2} << 30) + kProbesBytesMax;  // beside the payload

void limit(int resource, rlim_t value) {
  const rlimit both{value, value};
  ::setrlimit(static_cast<__rlimit_resource>(resource), &both);
}

// Where memory is short: one of many that can be replaced, whatever its host is worth. Before the
// change of user, which takes the right to say so.
void be_the_first_to_go() {
  const UniqueFd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  [[maybe_unused]] const ssize_t written = ::write(score.get(), "500", 3);
}

std::byte* map(const UniqueFd& memory, int protection) {
  struct stat status {};
  if (::fstat(memory.get(), &status) != 0) return nullptr;
  void* mapped =
      ::mmap(nullptr, static_cast<size_t>(status.st_size), protection, MAP_SHARED, memory.get(), 0);
  if (!kSanitized && protection == PROT_READ) {
    limit(RLIMIT_AS, static_cast<rlim_t>(status.st_size) + kContextBytesMax);
  }
  return mapped == MAP_FAILED ? nullptr : static_cast<std::byte*>(mapped);
}

}  // namespace

int run_worker_process(int argc, char** argv, const StreamBody& body, Confinement confinement) {
  if (argc != 2) return EXIT_FAILURE;
  const pid_t host = std::atoi(argv[1]);
  const auto host_is_alive = [host] { return ::getppid() == host; };
  be_the_first_to_go();
  if (confinement == Confinement::kSandbox && !drop_privileges()) return EXIT_FAILURE;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // which a change of user takes back
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  limit(RLIMIT_CORE, 0);
  if (!host_is_alive()) return EXIT_FAILURE;

  Handover handover;
  if (!receive_handover(kHandoverSocket, handover)) return EXIT_SUCCESS;
  limit(RLIMIT_NOFILE, 0);  // no further descriptor, ever
  const std::byte* payload = map(handover.payload, PROT_READ);
  std::byte* results = map(handover.results, PROT_READ | PROT_WRITE);
  if (!payload || !results) return EXIT_FAILURE;
  if (confinement == Confinement::kSandbox && !kSanitized && !enter_sandbox(kHandoverSocket)) {
    return EXIT_FAILURE;
  }
  Scheduler(payload, results, kHandoverSocket, body).run(host_is_alive);
  return EXIT_SUCCESS;
}

}  // namespace soundgate::decode
