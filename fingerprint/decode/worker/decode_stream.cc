#include "fingerprint/decode/worker/decode_stream.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

#include "fingerprint/chroma/chroma.h"
#include "fingerprint/decode/worker/audio_decoder.h"
#include "fingerprint/decode/worker/demuxer.h"
#include "fingerprint/decode/worker/resampler.h"
#include "fingerprint/decode/worker/stream_io.h"

namespace soundgate::decode {
namespace {

// A stream that ends this much before what its headers promise is not called truncated: encoders
// round, and leave out padding.
constexpr double kTruncatedSecondsMin = 0.5;
constexpr double kTruncatedShareMin = 0.01;

class StreamDecoder {
 public:
  explicit StreamDecoder(StreamContext& stream)
      : stream_(stream),
        io_(stream),
        demuxer_(io_),
        resampler_([this](std::span<const int16_t> samples) { take_samples(samples); }) {}

  ResultEnd run() {
    DecodeOutcome outcome = DecodeOutcome::decoder_memory;
    try {
      outcome = decode_all();
    } catch (const std::bad_alloc&) {
    }
    return describe(outcome);
  }

 private:
  DecodeOutcome decode_all() {
    if (auto opened = demuxer_.open(); !opened) return opened.error();
    if (!decoder_.open(demuxer_.track())) return DecodeOutcome::undecodable;
    packet_.reset(av_packet_alloc());
    if (!packet_) throw std::bad_alloc();
    read_to_end();
    decode(nullptr);
    resampler_.flush();
    chroma_.finish();
    emit_items();
    return outcome();
  }

  void read_to_end() {
    for (;;) {
      read_error_ = demuxer_.next_packet(*packet_);
      if (read_error_ < 0 || too_long() || decoder_.out_of_memory()) return;
      ++packets_;
      decode(packet_.get());
      av_packet_unref(packet_.get());
      stream_.checkpoint();
    }
  }

  void decode(const AVPacket* packet) {
    const bool whole = decoder_.decode(
        packet, [this](const AVFrame& frame) { unconvertible_ |= !resampler_.convert(frame); });
    if (whole) return;
    ++bad_packets_;
    last_bad_packet_ = packets_;
  }

  void take_samples(std::span<const int16_t> samples) {
    samples_ += samples.size();
    chroma_.feed(samples);
    emit_items();
  }

  void emit_items() {
    chroma_.take(items_);
    if (items_.empty()) return;
    stream_.emit(next_item_, items_);
    next_item_ += static_cast<uint32_t>(items_.size());
    items_.clear();
  }

  double decoded_seconds() const { return static_cast<double>(samples_) / kSampleRateHz; }
  bool too_long() const { return decoded_seconds() > stream_.audio_seconds_max(); }

  DecodeOutcome outcome() const {
    if (decoder_.out_of_memory()) return DecodeOutcome::decoder_memory;
    if (io_.stop()) return *io_.stop();
    if (too_long()) return DecodeOutcome::too_long;
    if (samples_ == 0) return DecodeOutcome::undecodable;
    if (is_damaged()) return DecodeOutcome::damaged;
    if (is_truncated()) return DecodeOutcome::truncated;
    return next_item_ == 0 ? DecodeOutcome::too_short : DecodeOutcome::decoded;
  }

  // The first packet may need one before it, the last one may be cut.
  bool is_damaged() const {
    const bool bad_inside = bad_packets_ > 2 || (bad_packets_ > 0 && last_bad_packet_ != packets_ &&
                                                 last_bad_packet_ != 1);
    return bad_inside || unconvertible_ || (read_error_ != AVERROR_EOF && read_error_ < 0);
  }

  bool is_truncated() const {
    const double missing = demuxer_.promised_seconds() - decoded_seconds();
    const bool is_short =
        missing > std::max(kTruncatedSecondsMin, kTruncatedShareMin * demuxer_.promised_seconds());
    const int64_t promised_bytes = stream_.size_bytes();
    return is_short || (promised_bytes >= 0 &&
                        stream_.appended_bytes() < static_cast<uint64_t>(promised_bytes));
  }

  ResultEnd describe(DecodeOutcome outcome) const {
    ResultEnd end{};
    end.outcome = static_cast<uint32_t>(outcome);
    end.decoded_seconds = decoded_seconds();
    end.duration_seconds = decoded_seconds();
    copy_name(demuxer_.format(), end.format);
    if (packet_) {
      end.duration_seconds = std::max(end.decoded_seconds, demuxer_.promised_seconds());
      copy_name(decoder_.codec_name(), end.codec);
    }
    return end;
  }

  template <size_t N>
  static void copy_name(std::string_view name, char (&to)[N]) {
    std::memcpy(to, name.data(), std::min(name.size(), N - 1));
  }

  StreamContext& stream_;
  StreamIo io_;
  Demuxer demuxer_;
  AudioDecoder decoder_;
  Resampler resampler_;
  Chroma chroma_;
  LibavPtr<AVPacket> packet_;
  std::vector<Item> items_;
  uint32_t next_item_ = 0;
  uint64_t samples_ = 0;
  uint64_t packets_ = 0;
  uint64_t bad_packets_ = 0;
  uint64_t last_bad_packet_ = 0;  // counted from 1
  int read_error_ = 0;
  bool unconvertible_ = false;
};

}  // namespace

ResultEnd decode_stream(StreamContext& stream) {
  av_log_set_level(AV_LOG_QUIET);
  av_max_alloc(kAllocationBytesMax);
  return StreamDecoder(stream).run();
}

}  // namespace soundgate::decode
