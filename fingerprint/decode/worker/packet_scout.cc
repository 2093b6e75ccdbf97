#include "fingerprint/decode/worker/packet_scout.h"

#include <algorithm>
#include <new>

#include "fingerprint/decode/worker/demuxer.h"
#include "fingerprint/decode/worker/packet_witness.h"
#include "fingerprint/decode/worker/stream_io.h"

namespace soundgate::decode {
namespace {

using Answer = StreamContext::Answer;

class PacketScout {
 public:
  explicit PacketScout(StreamContext& stream)
      : stream_(stream),
        io_(stream),
        demuxer_(io_),
        witness_(stream, [this](const ResultPackets& said) { ask(said); }) {}

  Scouted run() {
    if (const auto opened = demuxer_.open(); !opened) {
      const bool is_recognised = !demuxer_.format().empty();
      return opened.error() == DecodeOutcome::not_audio && !is_recognised ? Scouted::kNotAudio
                                                                          : Scouted::kUnknown;
    }
    return are_known() ? Scouted::kKnown : Scouted::kUnknown;
  }

 private:
  bool are_known() {
    LibavPtr<AVPacket> packet(av_packet_alloc());
    if (!packet) return false;
    witness_.begin(demuxer_);
    for (;;) {
      const int error = demuxer_.next_packet(*packet);
      if (error == AVERROR_EOF && !io_.gap() && !io_.stop()) return is_known_to_the_end();
      if (error < 0) return false;
      witness_.see(*packet);
      av_packet_unref(packet.get());
      if (!stream_.division().is_whole()) return false;
      if (answer_ == Answer::kUnknown || witness_.gives_up() || io_.gap() || !io_.may_go_on()) {
        return false;
      }
      stream_.checkpoint();
    }
  }

  // Nothing more is read before the first answer: most are not known. Later ones are looked at as
  // they come.
  void ask(const ResultPackets& digest) {
    if (answer_ == Answer::kUnknown) return;
    stream_.ask_packets(digest);
    const bool is_first = !has_asked_;
    has_asked_ = true;
    if (is_first || digest.checkpoint == kAllPackets) {
      answer_ = stream_.await_packets_answer(digest.checkpoint);
    } else {
      answer_ = stream_.packets_answer(digest.checkpoint);
    }
    if (is_first) stream_.hold_back(stream_.held_bytes_max());
  }

  bool is_known_to_the_end() {
    if (!is_finished()) return false;
    witness_.finish();
    return answer_ == Answer::kKnown;
  }

  // Some formats say where they end, and more may follow: the host wants to have seen all of it.
  bool is_finished() {
    constexpr uint64_t kBehindEverything = uint64_t{1} << 62;
    uint8_t byte;
    return stream_.read(kBehindEverything, {&byte, 1}).state == ByteSource::State::kEnd;
  }

  StreamContext& stream_;
  StreamIo io_;
  Demuxer demuxer_;
  PacketWitness witness_;
  bool has_asked_ = false;
  Answer answer_ = Answer::kNone;
};

}  // namespace

Scouted scout_packets(StreamContext& stream) {
  const bool begins_here = stream.next_kept() <= kHeaderBlocks * kBlockBytes;
  if (!stream.packets_key() || !begins_here || !stream.division().is_whole()) {
    return Scouted::kUnknown;
  }
  stream.hold_back(std::min(kScoutedBytesMax, stream.held_bytes_max()));
  Scouted scouted = Scouted::kUnknown;
  try {
    scouted = PacketScout(stream).run();
  } catch (const std::bad_alloc&) {
  }
  stream.let_go();
  return scouted;
}

}  // namespace soundgate::decode
