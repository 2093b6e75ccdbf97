// What a worker process is given, over the one socket it is started with, when it is put to work:
// its memory and its voice. Until then it waits, loaded and warm.
#pragma once

#include <cstdint>

#include "fingerprint/decode/shared/unique_fd.h"

namespace soundgate::decode {

inline constexpr int kHandoverSocket = 3;  // the descriptor it is started with

struct Handover {
  UniqueFd payload;  // open for reading only
  UniqueFd results;
  UniqueFd event;
};

bool send_handover(int socket, int payload, int results, int event);  // never blocks
bool receive_handover(int socket, Handover& handover);  // waits; false: the host is gone

}  // namespace soundgate::decode
