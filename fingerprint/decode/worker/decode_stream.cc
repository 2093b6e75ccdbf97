#include "fingerprint/decode/worker/decode_stream.h"

extern "C" {
#include <libavutil/intreadwrite.h>
}

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>

#include "fingerprint/decode/shared/truncation.h"
#include "fingerprint/decode/worker/audio_decoder.h"
#include "fingerprint/decode/worker/coverage_schedule.h"
#include "fingerprint/decode/worker/demuxer.h"
#include "fingerprint/decode/worker/frame_clock.h"
#include "fingerprint/decode/worker/inflated_stream.h"
#include "fingerprint/decode/worker/item_stream.h"
#include "fingerprint/decode/worker/packet_scout.h"
#include "fingerprint/decode/worker/packet_witness.h"
#include "fingerprint/decode/worker/prober.h"
#include "fingerprint/decode/worker/resampler.h"
#include "fingerprint/decode/worker/stream_io.h"
#include "fingerprint/decode/worker/tags.h"

namespace soundgate::decode {
namespace {

constexpr uint64_t kPacketsToGetGoing = 8;  // that may fail behind a gap

// Decoded before a stretch, and thrown away: what MP3 borrows bits of, what others overlap with.
constexpr double kWarmUpSeconds = 0.3;

class StreamDecoder {
 public:
  explicit StreamDecoder(StreamContext& stream)
      : stream_(stream),
        io_(stream),
        demuxer_(io_),
        resampler_([this](std::span<const int16_t> samples) { take(samples); }),
        samples_max_(
            static_cast<uint64_t>(std::llround(stream.audio_seconds_max() * kSampleRateHz))),
        items_([this](int view, uint32_t first, std::span<const Item> items) {
          stream_.emit(view, first, items);
        }),
        prober_(stream.probes(), [this](int view, uint32_t first, std::span<const Item> items) {
          stream_.emit(view, first, items);
          stream_.checkpoint();
        }) {}

  ResultEnd run() {
    DecodeOutcome outcome = DecodeOutcome::decoder_memory;
    try {
      outcome = decode_all();
    } catch (const std::bad_alloc&) {
    }
    return describe(outcome);
  }
  // What run() says is void: something was found in what is decoded, and what was skipped is there.
  bool begins_again() {
    begins_again_ |= has_skipped_ && stream_.coverage().share >= 1 && stream_.is_all_kept();
    return begins_again_;
  }

 private:
  DecodeOutcome decode_all() {
    if (auto opened = demuxer_.open(); !opened) return opened.error();
    if (!decoder_.open(demuxer_.track())) return DecodeOutcome::undecodable;
    clock_.emplace(demuxer_.track().time_base);
    witness_.begin(demuxer_);
    packet_.reset(av_packet_alloc());
    if (!packet_) throw std::bad_alloc();
    read_to_end();
    if (read_error_ == AVERROR_EOF && !io_.stop()) witness_.finish();
    end_stretch();
    if (awaited_ == Awaited::kBehindSkipped) {
      items_.jump_to(samples_at(within_reason(skipped_to_)), ItemStream::Jump::kSkipped);
    }
    return outcome();
  }

  // The first frame behind what was left out, to say where that is.
  enum class Awaited : uint8_t { kNothing, kBehindGap, kBehindSkipped };

  void read_to_end() {
    for (;;) {
      read_error_ = demuxer_.next_packet(*packet_);
      if (stumbles()) continue;
      if (read_error_ < 0 || too_long_ || decoder_.out_of_memory()) return;
      witness_.see(*packet_);
      if (first_packet_at_ < 0) first_packet_at_ = packet_->pos;
      date(*packet_);
      if (is_whole(*packet_) && is_wanted(*packet_)) {
        ++packets_;
        decode(packet_.get());
      }
      av_packet_unref(packet_.get());
      stream_.checkpoint();
      if (begins_again()) return;
      // (What stopped the reading only leaves packets that have been read.)
      if (!stream_.has_cpu_left() && !io_.may_go_on()) return;
    }
  }

  // A demuxer that finds two ends that do not fit, at a gap, finds its way again when asked once
  // more.
  bool stumbles() {
    return read_error_ < 0 && read_error_ != AVERROR_EXIT && io_.gap() && !behind_gap_ &&
           ++stumbles_ <= kPacketsToGetGoing;
  }

  // No more than samples_max_: one frame of a crafted file may last for hours.
  void take(std::span<const int16_t> samples) {
    const uint64_t room = samples_max_ - std::min(items_.position(), samples_max_);
    too_long_ |= samples.size() > room;
    samples = samples.first(std::min<uint64_t>(samples.size(), room));
    items_.feed(samples);
    prober_.feed(samples);
  }

  // Whether all of its bytes are the stream's. The first one behind a gap is where it ends.
  bool is_whole(const AVPacket& packet) {
    if (!io_.gap() || behind_gap_ || packet.pos + packet.size <= io_.gap()->begin) return true;
    if (packet.pos < io_.gap()->end) return false;
    pause(Awaited::kBehindGap);
    behind_gap_ = true;
    return true;
  }

  // Packets of ADTS do not say where they lie, and of MPEG-TS only some; but they are as long as
  // each other.
  void date(AVPacket& packet) {
    undated_seconds_ += frame_seconds_;  // of the packet before
    if (packet.pts == AV_NOPTS_VALUE) {
      packet.pts = clock_->later(dated_pts_, undated_seconds_);
    } else {
      dated_pts_ = packet.pts;
      undated_seconds_ = 0;
    }
    if (packet.duration == 0) packet.duration = clock_->ticks(frame_seconds_);
  }

  // What the coverage asks for, and a little before it.
  bool is_wanted(const AVPacket& packet) {
    const auto begin = clock_->seconds(packet.pts);
    if (!begin) return awaited_ != Awaited::kBehindSkipped;
    const double wanted =
        CoverageSchedule(stream_.coverage(), stream_.division()).next_wanted(*begin);
    const double end = *begin + clock_->seconds_of(packet.duration);
    if (end + kWarmUpSeconds < wanted) {
      if (awaited_ == Awaited::kNothing) pause(Awaited::kBehindSkipped);
      has_skipped_ |= stream_.coverage().share < 1;
      skipped_to_ = end;
      stretch_begin_.reset();
      return false;
    }
    if (awaited_ == Awaited::kBehindSkipped && !stretch_begin_) {
      stretch_begin_ = *begin + kWarmUpSeconds;
      packets_before_gap_ = packets_;
    }
    return true;
  }

  void end_stretch() {
    decode(nullptr);
    resampler_.flush();
    items_.finish();
    prober_.finish();
  }

  // What comes next does not follow what was before.
  void pause(Awaited what) {
    end_stretch();
    decoder_.forget();
    awaited_ = what;
    packets_before_gap_ = packets_;
  }

  static uint64_t samples_at(double seconds) {
    return static_cast<uint64_t>(std::llround(seconds * kSampleRateHz));
  }

  void decode(const AVPacket* packet) {
    if (packet && packet->size > kPacketBytesMax) {
      unconvertible_ = true;  // also where one that cannot be decoded would be forgiven
      return;
    }
    const bool whole = decoder_.decode(packet, [this](const AVFrame& frame) {
      frame_seconds_ = static_cast<double>(frame.nb_samples) / std::max(frame.sample_rate, 1);
      clock_->see(frame.pts);
      if (awaited_ == Awaited::kBehindSkipped && is_warm_up(frame)) return;
      if (awaited_ != Awaited::kNothing) end_gap(frame);
      unconvertible_ |= !resampler_.convert(frame);
    });
    const bool gets_going =
        packets_before_gap_ > 0 && packets_ <= packets_before_gap_ + kPacketsToGetGoing;
    if (whole) {
      tag_bytes_left_ = 0;
      keep_header(packet);
    }
    if (whole || gets_going || lies_in_tag(packet)) return;
    ++bad_packets_;
    last_bad_packet_ = packets_;
  }

  double position_seconds() const { return static_cast<double>(items_.position()) / kSampleRateHz; }

  // What a file says of its times may be anything.
  double within_reason(double seconds) const {
    const double before = position_seconds();
    return std::clamp(seconds, before, std::max(stream_.audio_seconds_max(), before));
  }

  bool is_warm_up(const AVFrame& frame) const {
    const auto begin = clock_->seconds(frame.pts);
    return begin && stretch_begin_ && *begin + frame_seconds_ <= *stretch_begin_;
  }

  // What frames of an MP3 have in common: version, layer and sample rate.
  static uint32_t header_of(const AVPacket& packet) {
    constexpr uint32_t kInCommon = 0xfffe0c00;
    return packet.size < 4 ? 0 : AV_RB32(packet.data) & kInCommon;
  }
  void keep_header(const AVPacket* packet) {
    if (packet) frame_header_ = header_of(*packet);
  }

  // Tags between MP3s that were put one behind the other come as packets. A frame that cannot be
  // decoded is none, whatever stands before it.
  bool lies_in_tag(const AVPacket* packet) {
    if (!packet || demuxer_.format() != "mp3") return false;
    if (frame_header_ != 0 && header_of(*packet) == frame_header_) return false;
    const std::span bytes(packet->data, static_cast<size_t>(packet->size));
    if (tag_bytes_left_ == 0) tag_bytes_left_ = tag_bytes(bytes);
    const bool lies = tag_bytes_left_ > 0;
    tag_bytes_left_ -= std::min<uint64_t>(tag_bytes_left_, bytes.size());
    return lies;
  }

  void end_gap(const AVFrame& frame) {
    const double before = position_seconds();
    const bool skipped = awaited_ == Awaited::kBehindSkipped;
    std::optional<double> here;
    if (skipped || demuxer_.has_timestamps()) here = clock_->seconds(frame.pts);
    if (!here) here = before + (skipped ? 0 : reckoned_gap_seconds(before));
    awaited_ = Awaited::kNothing;
    too_long_ |= *here > stream_.audio_seconds_max();
    const double there = within_reason(*here);
    clock_->set(frame.pts, there);
    const uint64_t position = resampler_.begin_at(frame, there);
    items_.jump_to(position, skipped ? ItemStream::Jump::kSkipped : ItemStream::Jump::kMissing);
    prober_.jump_to(position);
  }

  // By the bytes that are missing: as the headers say how long all bytes are, or else as those
  // before the gap were.
  double reckoned_gap_seconds(double seconds_before) const {
    const auto missing = static_cast<double>(io_.gap()->missing_bytes);
    if (demuxer_.promised_seconds() > 0 && stream_.size_bytes() > first_packet_at_) {
      return demuxer_.promised_seconds() * missing /
             static_cast<double>(stream_.size_bytes() - first_packet_at_);
    }
    const int64_t bytes_before = std::max<int64_t>(io_.gap()->begin - first_packet_at_, 1);
    return seconds_before * missing / static_cast<double>(bytes_before);
  }

  DecodeOutcome outcome() const {
    if (decoder_.out_of_memory()) return DecodeOutcome::decoder_memory;
    if (io_.stop()) return *io_.stop();
    if (too_long_) return DecodeOutcome::too_long;
    if (io_.gap() && (!behind_gap_ || awaited_ == Awaited::kBehindGap))
      return DecodeOutcome::decoder_lost;
    if (items_.decoded_seconds() == 0) return DecodeOutcome::undecodable;
    if (is_damaged()) return DecodeOutcome::damaged;
    if (is_truncated()) return DecodeOutcome::truncated;
    return items_.next_item() == 0 ? DecodeOutcome::too_short : DecodeOutcome::decoded;
  }

  // The first packet may need one before it, the last one may be cut.
  bool is_damaged() const {
    const bool bad_inside = bad_packets_ > 2 || (bad_packets_ > 0 && last_bad_packet_ != packets_ &&
                                                 last_bad_packet_ != 1);
    const bool ends_in_tag = tag_bytes_left_ > 0;  // which said that it was longer
    return bad_inside || unconvertible_ || ends_in_tag ||
           (read_error_ != AVERROR_EOF && read_error_ < 0);
  }

  bool is_truncated() const {
    const int64_t promised_bytes = stream_.size_bytes();
    return falls_short(audio_seconds(), demuxer_.promised_seconds()) ||
           (stream_.is_finished() && promised_bytes >= 0 &&
            stream_.appended_bytes() < static_cast<uint64_t>(promised_bytes));
  }

  double audio_seconds() const {
    return items_.decoded_seconds() + items_.gap_seconds() + items_.skipped_seconds();
  }

  ResultEnd describe(DecodeOutcome outcome) const {
    ResultEnd end{};
    end.outcome = static_cast<uint32_t>(outcome);
    end.decoded_seconds = items_.decoded_seconds();
    end.gap_seconds = items_.gap_seconds();
    end.skipped_seconds = items_.skipped_seconds();
    end.duration_seconds = audio_seconds();
    copy_name(demuxer_.format(), end.format);
    if (packet_) {  // there is a track, and a decoder for it
      end.duration_seconds =
          std::max(end.duration_seconds, std::min(demuxer_.promised_seconds(), kResultSecondsMax));
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
  PacketWitness witness_{stream_};
  AudioDecoder decoder_;
  Resampler resampler_;
  uint64_t samples_max_;
  bool too_long_ = false;
  ItemStream items_;
  Prober prober_;
  LibavPtr<AVPacket> packet_;
  std::optional<FrameClock> clock_;
  int64_t first_packet_at_ = -1;  // byte position
  bool behind_gap_ = false;
  Awaited awaited_ = Awaited::kNothing;
  double frame_seconds_ = 0;    // of the last one
  int64_t dated_pts_ = 0;       // of the last packet that says where it lies
  double undated_seconds_ = 0;  // since then
  bool has_skipped_ = false;    // as the coverage asks for
  bool begins_again_ = false;
  double skipped_to_ = 0;                // in seconds of audio
  std::optional<double> stretch_begin_;  // likewise; frames before it warm up
  uint64_t packets_before_gap_ = 0;
  uint64_t stumbles_ = 0;
  uint64_t packets_ = 0;
  uint64_t bad_packets_ = 0;
  uint64_t last_bad_packet_ = 0;  // counted from 1
  uint64_t tag_bytes_left_ = 0;
  uint32_t frame_header_ = 0;  // of the last frame of MP3
  int read_error_ = 0;
  bool unconvertible_ = false;
};

}  // namespace

ResultEnd decode_stream(StreamContext& stream) {
  av_log_set_level(AV_LOG_QUIET);
  av_max_alloc(kAllocationBytesMax);
  if (stream.coding() != StreamCoding::kNone) {
    InflatedStream inflated(stream, stream.coding());
    return StreamDecoder(inflated).run();
  }
  if (scout_packets(stream) != Scouted::kUnknown) {
    ResultEnd end{};  // which nobody wants to know: its listener has heard all
    end.outcome = static_cast<uint32_t>(DecodeOutcome::not_audio);
    return end;
  }
  {
    StreamDecoder decoder(stream);
    const ResultEnd end = decoder.run();
    if (!decoder.begins_again()) return end;
  }
  stream.begin_again();
  return StreamDecoder(stream).run();  // which skips nothing
}

}  // namespace soundgate::decode
