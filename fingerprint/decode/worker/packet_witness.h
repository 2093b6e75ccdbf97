// Says what digests the packets of a stream have, as a worker demuxes them.
// It gives up where they are more than the bytes that they come of, which an index may name again
// and again: those are not to be remembered.
// Thread: the stream's fiber.
#pragma once

#include <functional>
#include <optional>

#include "fingerprint/decode/worker/demuxer.h"
#include "fingerprint/decode/worker/packet_digester.h"
#include "fingerprint/decode/worker/stream_task.h"

namespace soundgate::decode {

class PacketWitness {
 public:
  // say: at each checkpoint, and for all of them at the end.
  using Say = std::function<void(const ResultPackets&)>;
  PacketWitness(StreamContext& stream, Say say) : stream_(stream), say_(std::move(say)) {}
  // To those who want to remember them.
  explicit PacketWitness(StreamContext& stream)
      : PacketWitness(stream, [&stream](const ResultPackets& said) { stream.say_packets(said); }) {}

  void begin(const Demuxer& demuxer);
  void see(const AVPacket& packet);
  void finish();  // all have been seen; says nothing where more bytes are to come
  bool gives_up() const { return !digester_; }

 private:
  ResultPackets describe(uint32_t checkpoint, const exact::Digest& digest) const;

  StreamContext& stream_;
  Say say_;
  std::optional<PacketDigester> digester_;
  const Demuxer* demuxer_ = nullptr;
};

}  // namespace soundgate::decode
