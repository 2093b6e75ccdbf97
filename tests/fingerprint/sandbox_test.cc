// What a worker that has been taken over may still do: each case is tried from inside a sandbox.
#include "fingerprint/decode/worker/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {
namespace {

constexpr int kSetUpFailed = 3;

// How a child ends that does `work` in a sandbox that lets it send on sockets[0].
int status_of(const std::function<void()>& work) {
  int sockets[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(sockets[0], 3);
    if (!decode::drop_privileges() || !decode::enter_sandbox(3)) ::_exit(kSetUpFailed);
    work();
    ::_exit(EXIT_SUCCESS);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  ::close(sockets[0]);
  ::close(sockets[1]);
  return status;
}

void* map(int protection, int flags, int descriptor) {
  return ::mmap(nullptr, 4096, protection, flags, descriptor, 0);
}

struct Forbidden {
  const char* name;
  std::function<void()> work;
};

class Sandbox : public testing::TestWithParam<Forbidden> {};

TEST_P(Sandbox, KillsWhoTries) {
  const int status = status_of(GetParam().work);
  ASSERT_TRUE(WIFSIGNALED(status)) << "it ended with " << WEXITSTATUS(status);
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

INSTANTIATE_TEST_SUITE_P(
    Each, Sandbox,
    testing::ValuesIn(std::vector<Forbidden>{
        {"open", [] { ::open("/etc/passwd", O_RDONLY); }},
        {"open_by_the_old_call", [] { ::syscall(SYS_open, "/etc/passwd", O_RDONLY); }},
        {"stat", [] { ::access("/etc/passwd", R_OK); }},
        {"unlink", [] { ::unlink("/tmp/soundgate-sandbox-test"); }},
        {"memfd", [] { ::memfd_create("x", 0); }},
        {"read", [] { ::read(0, nullptr, 0); }},
        {"write_elsewhere", [] { ::write(STDOUT_FILENO, "x", 1); }},
        {"change_a_descriptor", [] { ::fcntl(3, F_SETFL, 0); }},
        {"socket", [] { ::socket(AF_INET, SOCK_STREAM, 0); }},
        {"socketpair",
         [] {
           int made[2];
           ::socketpair(AF_UNIX, SOCK_STREAM, 0, made);
         }},
        {"send_more", [] { ::send(3, "xy", 2, MSG_NOSIGNAL | MSG_DONTWAIT); }},
        {"send_urgently", [] { ::send(3, "x", 1, MSG_OOB); }},
        {"shared_memory", [] { map(PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1); }},
        {"send_elsewhere", [] { ::send(4, "x", 1, 0); }},
        {"send_a_descriptor",
         [] {
           const msghdr message{};
           ::sendmsg(3, &message, 0);
         }},
        {"receive_a_descriptor",
         [] {
           msghdr message{};
           ::recvmsg(3, &message, MSG_DONTWAIT);
         }},
        {"execute", [] { ::execl("/bin/true", "true", nullptr); }},
        {"fork", [] { ::fork(); }},
        {"thread",
         [] { ::syscall(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0); }},
        {"clone3", [] { ::syscall(SYS_clone3, nullptr, 0); }},
        {"ptrace", [] { ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
        {"read_others", [] { ::syscall(SYS_process_vm_readv, 1, nullptr, 0, nullptr, 0, 0); }},
        {"kill_others", [] { ::kill(1, 0); }},
        {"kill_the_host", [] { ::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0); }},
        {"become_root", [] { ::setuid(0); }},
        {"namespaces", [] { ::unshare(CLONE_NEWUSER); }},
        {"limits", [] { ::syscall(SYS_prlimit64, 0, 7, nullptr, nullptr); }},
        {"privileges", [] { ::prctl(PR_SET_DUMPABLE, 1); }},
        {"another_filter", [] { ::syscall(SYS_seccomp, 0, 0, nullptr); }},
        {"io_uring",
         [] {
           io_uring_params made{};
           ::syscall(SYS_io_uring_setup, 1, &made);
         }},
        {"bpf", [] { ::syscall(SYS_bpf, 0, nullptr, 0); }},
        {"code", [] { map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1); }},
        {"memory_of_a_file", [] { map(PROT_READ, MAP_SHARED, 3); }},
        {"data_made_code",
         [] {
           void* data = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
           ::mprotect(data, 4096, PROT_READ | PROT_EXEC);
         }},
        {"calls_of_32_bits", [] { asm volatile("int $0x80"
                                               :
                                               : "a"(20)
                                               : "memory"); }},
    }),
    [](const auto& one) { return std::string(one.param.name); });

TEST(InSandbox, DecodersWork) {
  const int status = status_of([] {
    std::vector<std::vector<char>> memory(100, std::vector<char>(1 << 20));
    const std::time_t now = 1'000'000'000;
    if (std::localtime(&now)->tm_year != 101) ::_exit(4);  // asks for the zone, which is a file
    if (::send(3, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) ::_exit(5);
  });
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), EXIT_SUCCESS);
}

TEST(InSandbox, AbortSaysThatItWasOne) {
  const int status = status_of([] { std::abort(); });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
}

TEST(InSandbox, ADamagedHeapEndsInAbort) {
  const int status = status_of([] {
    auto* memory = static_cast<volatile size_t*>(std::malloc(1 << 20));
    memory[-1] = 0x51;  // its size
    std::free(const_cast<size_t*>(memory));
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
}

std::string of_process(int pid, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":\t")) return line.substr(key.size() + 2);
  }
  return "";
}

TEST(InSandbox, AreTheWorkersOfAPool) {
  PoolRecorder recorder;
  DecoderPool::Options options;
  options.worker_path = SOUNDGATE_DECODER;
  options.worker_count = 1;
  auto pool = DecoderPool::start(options, recorder);
  ASSERT_TRUE(pool) << pool.error();
  const Bytes music = read_file(encode(make_music(10, 1), "-c:a flac", "a.flac"));
  EXPECT_EQ(test::decode(**pool, recorder, music)->end.outcome, DecodeOutcome::decoded);
  const int pid = (*pool)->status().workers[0].pid;
  EXPECT_EQ(of_process(pid, "Seccomp"), "2");
  EXPECT_EQ(of_process(pid, "NoNewPrivs"), "1");
  EXPECT_EQ(of_process(pid, "CapEff"), "0000000000000000");
  if (::geteuid() == 0) {
    EXPECT_EQ(of_process(pid, "Uid"), "65534\t65534\t65534\t65534");
    EXPECT_EQ(of_process(pid, "Groups"), " ");
  }
}

}  // namespace
}  // namespace soundgate::test
