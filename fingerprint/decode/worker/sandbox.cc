#include "fingerprint/decode/worker/sandbox.h"

#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <initializer_list>
#include <memory>

namespace soundgate::decode {
namespace {

constexpr uid_t kNobody = 65534;

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

bool allow(const Filter& filter, std::initializer_list<int> calls) {
  for (const int call : calls) {
    if (seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0) != 0) return false;
  }
  return true;
}

bool allow(const Filter& filter, int call, std::initializer_list<scmp_arg_cmp> where) {
  return seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call,
                                static_cast<unsigned>(where.size()), where.begin()) == 0;
}

scmp_arg_cmp equals(unsigned argument, int value) {
  return SCMP_CMP32(argument, SCMP_CMP_EQ, static_cast<uint32_t>(value));
}

scmp_arg_cmp has_not(unsigned argument, int bits) {
  return SCMP_CMP32(argument, SCMP_CMP_MASKED_EQ, static_cast<uint32_t>(bits), 0);
}

// Private memory that no file is behind, and that is not executable.
bool allow_memory(const Filter& filter) {
  return allow(filter, {SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise)}) &&
         allow(filter, SCMP_SYS(mmap), {has_not(2, PROT_EXEC), equals(4, -1)}) &&
         allow(filter, SCMP_SYS(mprotect), {has_not(2, PROT_EXEC)});
}

// Time is mostly had without the kernel, but not on every machine.
bool allow_waiting(const Filter& filter) {
  return allow(filter, {SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
                        SCMP_SYS(clock_nanosleep), SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
                        SCMP_SYS(getppid)});
}

// abort() and what a fault does, so that the host is told how it died.
bool allow_dying(const Filter& filter) {
  return allow(filter, {SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn),
                        SCMP_SYS(rt_sigprocmask), SCMP_SYS(getpid), SCMP_SYS(gettid)}) &&
         allow(filter, SCMP_SYS(tgkill), {equals(0, ::getpid())});
}

// What libraries do once, and would do with files: ask for the time zone.
void settle_time_zone() {
  ::setenv("TZ", "UTC0", 1);
  ::tzset();
}

}  // namespace

bool drop_privileges() {
  if (::geteuid() != 0) {
    ::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC);  // where the system lets users do that
    return true;
  }
  ::unshare(CLONE_NEWNET | CLONE_NEWIPC);
  return ::setgroups(0, nullptr) == 0 && ::setresgid(kNobody, kNobody, kNobody) == 0 &&
         ::setresuid(kNobody, kNobody, kNobody) == 0;
}

bool enter_sandbox(int socket) {
  settle_time_zone();
  const Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS), &seccomp_release);
  if (!filter || !allow_memory(filter) || !allow_waiting(filter) || !allow_dying(filter)) {
    return false;
  }
  return allow(filter, SCMP_SYS(sendto), {equals(0, socket)}) &&
         allow(filter, SCMP_SYS(write), {equals(0, STDERR_FILENO)}) &&  // /dev/null
         allow(filter, {SCMP_SYS(sched_getaffinity)}) &&  // how libav counts processors
         seccomp_load(filter.get()) == 0;
}

}  // namespace soundgate::decode
