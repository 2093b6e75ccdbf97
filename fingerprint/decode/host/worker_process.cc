#include "fingerprint/decode/host/worker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "fingerprint/decode/shared/handover.h"

namespace soundgate::decode {
namespace {

// What posix_spawn does in the child before the program starts: standard streams on /dev/null, the
// socket as kHandoverSocket, everything else closed; signals as in a fresh process.
class SpawnSetup {
 public:
  explicit SpawnSetup(int socket) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_adddup2(&actions_, socket, kHandoverSocket);
    for (int standard = 0; standard < kHandoverSocket; ++standard) {
      posix_spawn_file_actions_addopen(&actions_, standard, "/dev/null", O_RDWR, 0);
    }
    posix_spawn_file_actions_addclosefrom_np(&actions_, kHandoverSocket + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// Nothing but what sanitizer builds are configured with.
std::vector<char*> worker_environment() {
  std::vector<char*> environment;
  for (char** variable = environ; *variable; ++variable) {
    if (std::string_view(*variable).find("SAN_OPTIONS=") != std::string_view::npos) {
      environment.push_back(*variable);
    }
  }
  environment.push_back(nullptr);
  return environment;
}

tl::unexpected<std::string> failure(const std::string& what, int error) {
  return tl::unexpected(what + ": " + std::strerror(error));
}

}  // namespace

tl::expected<WorkerProcess, std::string> WorkerProcess::start(const std::string& path) {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    return failure("cannot make a socket pair", errno);
  }
  WorkerProcess process;
  process.socket_ = UniqueFd(sockets[0]);
  // Above the numbers that the child gives to its standard streams.
  UniqueFd theirs(::fcntl(sockets[1], F_DUPFD_CLOEXEC, kHandoverSocket + 1));
  const int duplication_error = errno;
  ::close(sockets[1]);
  if (!theirs) return failure("cannot duplicate a socket", duplication_error);

  const SpawnSetup setup(theirs.get());
  std::string host_pid = std::to_string(::getpid());
  std::string program = path;
  char* const arguments[] = {program.data(), host_pid.data(), nullptr};
  const int error = ::posix_spawn(&process.pid_, path.c_str(), setup.actions(), setup.attributes(),
                                  arguments, worker_environment().data());
  if (error != 0) return failure("cannot start the decoder " + path, error);
  process.pidfd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid_, 0)));
  if (process.pidfd_) return process;
  const int pidfd_error = errno;  // without one its death would go unnoticed
  ::kill(process.pid_, SIGKILL);
  ::waitpid(process.pid_, nullptr, 0);
  return failure("cannot watch the decoder " + path, pidfd_error);
}

WorkerProcess& WorkerProcess::operator=(WorkerProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(pidfd_, other.pidfd_);
  std::swap(socket_, other.socket_);
  return *this;
}

WorkerProcess::~WorkerProcess() {
  if (!pidfd_) return;
  kill();
  reap();
}

bool WorkerProcess::hand_over(int payload, int results) {
  return send_handover(socket_.get(), payload, results);
}

bool WorkerProcess::take_calls() { return decode::take_calls(socket_.get()); }

// By the kernel's clock of that process: what it says of itself is not asked for.
CpuTime WorkerProcess::cpu_used() const {
  clockid_t clock;
  return ::clock_getcpuclockid(pid_, &clock) == 0 ? cpu_time(clock) : CpuTime::zero();
}

void WorkerProcess::kill() {
  if (pidfd_) ::syscall(SYS_pidfd_send_signal, pidfd(), SIGKILL, nullptr, 0);
}

std::string WorkerProcess::reap() {
  siginfo_t death{};
  while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd()), &death, WEXITED) !=
             0 &&
         errno == EINTR) {
  }
  pidfd_ = UniqueFd();
  if (death.si_code == CLD_EXITED) return "exit code " + std::to_string(death.si_status);
  return std::string("signal ") + ::strsignal(death.si_status);
}

}  // namespace soundgate::decode
