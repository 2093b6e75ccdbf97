#include "fingerprint/decode/worker/sandbox.h"

#include <grp.h>
#include <iconv.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <initializer_list>
#include <memory>

// Takes the place of the C library's, which would read files: libavformat would convert the names
// of MPEG-TS programmes. It takes them as they are where there is no conversion.
extern "C" iconv_t iconv_open(const char* /*to*/, const char* /*from*/) {
  errno = EINVAL;
  return reinterpret_cast<iconv_t>(-1);  // as iconv_open(3) says it
}

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
  return SCMP_CMP32(argument, SCMP_CMP_EQ, static_cast<uint32_t>(value), 0);
}

scmp_arg_cmp has(unsigned argument, int bits) {
  return SCMP_CMP32(argument, SCMP_CMP_MASKED_EQ, static_cast<uint32_t>(bits),
                    static_cast<uint32_t>(bits));
}

scmp_arg_cmp has_not(unsigned argument, int bits) {
  return SCMP_CMP32(argument, SCMP_CMP_MASKED_EQ, static_cast<uint32_t>(bits), 0);
}

// Private memory that no file is behind, and that is not executable.
bool allow_memory(const Filter& filter) {
  constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
  return allow(filter, {SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise)}) &&
         allow(filter, SCMP_SYS(mmap), {has_not(2, PROT_EXEC), has(3, kPrivate), equals(4, -1)}) &&
         allow(filter, SCMP_SYS(mprotect), {has_not(2, PROT_EXEC)});
}

// Time is mostly had without the kernel, but not on every machine. Memory and processors are asked
// for by sorting and by libav.
bool allow_waiting(const Filter& filter) {
  return allow(filter,
               {SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time),
                SCMP_SYS(clock_nanosleep), SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
                SCMP_SYS(getppid), SCMP_SYS(sysinfo), SCMP_SYS(sched_getaffinity)});
}

// One byte, as call_host() sends it.
bool allow_calls(const Filter& filter, int socket) {
  return allow(filter, SCMP_SYS(sendto),
               {equals(0, socket), equals(2, 1), equals(3, MSG_NOSIGNAL | MSG_DONTWAIT),
                SCMP_CMP64(4, SCMP_CMP_EQ, 0, 0)});
}

// abort(), what a fault does, and what glibc says of a damaged heap to /dev/null first: so that the
// host is told how it died.
bool allow_dying(const Filter& filter) {
  return allow(filter, {SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn),
                        SCMP_SYS(rt_sigprocmask), SCMP_SYS(getpid), SCMP_SYS(gettid)}) &&
         allow(filter, SCMP_SYS(write), {equals(0, STDERR_FILENO)}) &&
         allow(filter, SCMP_SYS(writev), {equals(0, STDERR_FILENO)}) &&
         allow(filter, SCMP_SYS(tgkill), {equals(0, ::getpid())});
}

// What libraries do once, and would do with files: ask for the time zone.
void settle_time_zone() {
  ::setenv("TZ", "UTC0", 1);
  ::tzset();
}

struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2]{};

  static Capabilities current() {
    Capabilities capabilities;
    ::syscall(SYS_capget, &capabilities.header, capabilities.sets);
    return capabilities;
  }
  bool has(int capability) const { return sets[0].effective >> capability & 1U; }
};

bool drop_capabilities() {
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  Capabilities none;
  return ::syscall(SYS_capset, &none.header, none.sets) == 0;
}

// A host that may not kill other users' processes has to be able to kill its workers; it has what
// we have. In a container there may be nobody to become: then root without capabilities has to do.
void try_to_become_nobody() {
  if (!Capabilities::current().has(CAP_KILL)) return;
  if (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0) return;
  [[maybe_unused]] const int ignored = ::setresuid(kNobody, kNobody, kNobody);
}

}  // namespace

bool drop_privileges() {
  // Where the system lets us: a user namespace of its own gives the right to the others.
  if (!Capabilities::current().has(CAP_SYS_ADMIN)) ::unshare(CLONE_NEWUSER);
  ::unshare(CLONE_NEWNET);
  ::unshare(CLONE_NEWIPC);
  if (::geteuid() == 0) try_to_become_nobody();
  return drop_capabilities();
}

bool enter_sandbox(int socket) {
  settle_time_zone();
  const Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS), &seccomp_release);
  if (!filter || !allow_memory(filter) || !allow_waiting(filter) || !allow_dying(filter)) {
    return false;
  }
  return allow_calls(filter, socket) && seccomp_load(filter.get()) == 0;
}

}  // namespace soundgate::decode
