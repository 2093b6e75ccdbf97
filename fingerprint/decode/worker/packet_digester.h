// The digests of the packets of one track: of their payload, and of all else that the items depend
// on which are made of them: codec and its parameters, what of the samples is not to be heard,
// where each packet begins, and what probes are wanted. Not of when they are to be heard, nor of
// titles. So a file that was tagged or wrapped anew has the same, and one with another edit list
// has not. Input: the track as its headers describe it; its packets in order. Output: a digest at
// each checkpoint of payload (exact/body_digests.h), and of all. Thread: the stream's fiber.
// Memory: refers to the key, which must stay.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "fingerprint/decode/worker/libav_ptr.h"
#include "fingerprint/exact/body_digests.h"

namespace soundgate::decode {

class PacketDigester {
 public:
  // Whatever size was announced: what that changes is said by the packets.
  PacketDigester(const exact::DigestKey& key, uint64_t probes) { digester_.begin(key, probes, -1); }

  // format: as Demuxer names it.
  void begin(const AVCodecParameters& track, std::string_view format);

  using OnCheckpoint = std::function<void(uint32_t checkpoint, const exact::Digest&)>;
  void add(const AVPacket& packet, const OnCheckpoint& on_checkpoint);

  exact::Digest digest() const { return digester_.digest(); }
  uint64_t payload_bytes() const { return digester_.bytes(); }

 private:
  void describe(std::span<const uint8_t> bytes) { digester_.describe(std::as_bytes(bytes)); }
  void describe_number(int64_t number);
  void describe_setup(std::span<const uint8_t> extradata);

  exact::BodyDigester digester_;
  bool is_vorbis_ = false;
  uint32_t checkpoint_ = 0;  // the next one
};

}  // namespace soundgate::decode
