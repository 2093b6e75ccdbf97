// What the main of a worker program does: gives up what it does not need, waits to be put to work,
// and works until its host is gone.
#pragma once

#include "fingerprint/decode/worker/stream_task.h"

namespace soundgate::decode {

// What tests do without, where they play a worker that has got out of it.
enum class Confinement : bool { kNone, kSandbox };

// arguments: the host's process id. Returns the exit code.
int run_worker_process(int argc, char** argv, const StreamBody& body,
                       Confinement confinement = Confinement::kSandbox);

}  // namespace soundgate::decode
