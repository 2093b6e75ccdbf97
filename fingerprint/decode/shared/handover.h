// What a worker process is given, over the one socket it is started with, when it is put to work:
// its memory. Until then it waits, loaded and warm. Afterwards the socket is its voice: each byte
// says that there are new results. (Not an eventfd or a pipe of both: how those wait is a property
// that a worker could change under its host, which would then wait for ever.)
#pragma once

#include <cstdint>

#include "fingerprint/decode/shared/unique_fd.h"

namespace soundgate::decode {

inline constexpr int kHandoverSocket = 3;  // the descriptor it is started with

struct Handover {
  UniqueFd payload;  // open for reading only
  UniqueFd results;
};

bool send_handover(int socket, int payload, int results);  // never waits
bool receive_handover(int socket, Handover& handover);     // waits; false: the host is gone

void call_host(int socket);  // never waits
// Takes the calls that are there. Never waits. false: the other end is closed.
bool take_calls(int socket);

}  // namespace soundgate::decode
