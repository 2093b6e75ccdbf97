// soundgate: the command line. It talks to the daemon's socket or works on a store directly.
// Data on stdout, messages on stderr; exit codes: control/README.md.
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "control/cli/output.h"
#include "control/cli/parser.h"
#include "control/log.h"

namespace soundgate {
namespace {

// What was written is on its way only now: a full disk must not look like success.
int with_output_written(int exit) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit;
  print_message("cannot write standard output");
  return 1;
}

int run(int argc, char** argv) {
  Invocation invocation;
  if (const auto exit = parse_arguments(argc, argv, invocation)) return *exit;
  const Result<int> exit = invocation.command();
  if (exit) return *exit;
  print_message(exit.error().message);
  return exit_code(exit.error().code);
}

}  // namespace
}  // namespace soundgate

int main(int argc, char** argv) {
  umask(0027);  // a store tells what people upload: it is not for everybody to read
  std::signal(SIGPIPE, SIG_IGN);
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // a pipe gets each result as it comes
  soundgate::set_log_level("warn");
  try {
    return soundgate::with_output_written(soundgate::run(argc, argv));
  } catch (const std::exception& error) {
    soundgate::print_message(error.what());
    return 1;
  }
}
