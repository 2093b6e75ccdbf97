#include "fingerprint/decode/worker/packet_witness.h"

#include <algorithm>

namespace soundgate::decode {

void PacketWitness::begin(const Demuxer& demuxer) {
  const exact::DigestKey* key = stream_.packets_key();
  if (!key || !stream_.division().is_whole()) return;  // parts are not remembered
  demuxer_ = &demuxer;
  digester_.emplace(*key, pack_probes(stream_.probes()));
  digester_->begin(*demuxer.track().codecpar, demuxer.format());
}

void PacketWitness::see(const AVPacket& packet) {
  if (!digester_) return;
  if (digester_->payload_bytes() + static_cast<uint64_t>(packet.size) > stream_.appended_bytes()) {
    return digester_.reset();
  }
  digester_->add(packet, [this](uint32_t checkpoint, const exact::Digest& digest) {
    say_(describe(checkpoint, digest));
  });
}

void PacketWitness::finish() {
  if (digester_ && stream_.is_finished()) say_(describe(kAllPackets, digester_->digest()));
}

ResultPackets PacketWitness::describe(uint32_t checkpoint, const exact::Digest& digest) const {
  ResultPackets said{};
  said.checkpoint = checkpoint;
  said.digest = digest;
  said.promised_seconds = std::clamp(demuxer_->promised_seconds(), 0.0, kResultSecondsMax);
  const std::string& format = demuxer_->format();
  format.copy(said.format, sizeof said.format - 1);
  return said;
}

}  // namespace soundgate::decode
