// Sends segments of our own on a connection, in the name of one of its ends.
// Thread: the owning lcore.
#pragma once

#include "dataplane/core.h"

namespace soundgate {

// As the client, to the origin: payload at an offset of the client's direction. kFin may be set.
void send_to_origin(Core& core, Flow& flow, uint64_t offset, uint8_t flags, Bytes payload);

// As the origin, to the client: payload at an offset of the origin's direction, acknowledging the
// client's bytes below client_received.
void send_to_client(Core& core, Flow& flow, uint64_t offset, uint64_t client_received,
                    uint8_t flags, Bytes payload);

// A reset is only believed at exactly the number that its receiver expects (RFC 5961): one is sent
// at what we take that to be and, where it differs, at what the receiver last acknowledged.
void reset_origin(Core& core, Flow& flow);
void reset_client(Core& core, Flow& flow);

// Answers a segment with the reset that its own acknowledgment number asks for.
void answer_with_reset(Core& core, Flow& flow, Side to, const Frame& frame);

}  // namespace soundgate
