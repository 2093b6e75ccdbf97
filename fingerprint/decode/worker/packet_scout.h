// Goes ahead of decoding: looks whether the packets of a stream are those of a known upload, in a
// file that was tagged or wrapped anew. While they are they need not be decoded.
// Input: a stream that nothing has been read of.
// Output: whether all of them are known; its listener has then heard all. If not, the stream is to
//   be read from its first byte, unless it is nothing that can be read.
// Errors: whatever goes wrong, it is not known.
// Thread: the stream's fiber.  Memory: the bytes stay where they are (StreamContext::hold_back);
//   besides, what a demuxer takes.
// Source: README, Known uploads.
#pragma once

#include "fingerprint/decode/worker/stream_task.h"

namespace soundgate::decode {

enum class Scouted : uint8_t { kUnknown, kKnown, kNotAudio };
Scouted scout_packets(StreamContext& stream);

}  // namespace soundgate::decode
