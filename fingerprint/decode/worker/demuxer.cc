#include "fingerprint/decode/worker/demuxer.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <tuple>

#include "fingerprint/decode/worker/audio_decoder.h"

namespace soundgate::decode {
namespace {

// The names that libavformat gives them start with these.
constexpr std::array<std::string_view, 8> kFormats = {"mp3", "aac",  "mov", "flac",
                                                      "wav", "aiff", "ogg", "matroska"};

std::string_view first_name(const AVInputFormat& format) {
  const std::string_view names = format.name;
  return names.substr(0, names.find(','));
}

bool is_allowed(const AVInputFormat& format) {
  return std::ranges::find(kFormats, first_name(format)) != kFormats.end();
}

// As av_find_best_stream ranks tracks, which wants to know more of them than headers say. (It would
// take avformat_find_stream_info, which decodes ahead: dear, and open to more codecs than we
// allow.)
std::tuple<bool, int, int64_t> rank(const AVStream& stream) {
  const int disposition = stream.disposition;
  const bool for_impaired =
      disposition & (AV_DISPOSITION_HEARING_IMPAIRED | AV_DISPOSITION_VISUAL_IMPAIRED);
  const bool is_default = disposition & AV_DISPOSITION_DEFAULT;
  return {AudioDecoder::can_decode(*stream.codecpar), (for_impaired ? 0 : 1) + (is_default ? 1 : 0),
          stream.codecpar->bit_rate};
}

}  // namespace

// As av_probe_input_buffer does, but the bytes stay in the stream.
const AVInputFormat* Demuxer::recognise() {
  for (size_t wanted = 2048;; wanted = std::min(wanted * 4, kProbeBytesMax)) {
    std::vector<uint8_t> head = io_.peek(wanted);
    const bool is_last = head.size() < wanted || wanted == kProbeBytesMax;
    const size_t head_bytes = head.size();
    head.resize(head_bytes + AVPROBE_PADDING_SIZE);
    const AVProbeData data{"", head.data(), static_cast<int>(head_bytes), nullptr};
    int score = 0;
    const AVInputFormat* format = av_probe_input_format3(&data, 1, &score);
    if (format && score > (is_last ? 0 : AVPROBE_SCORE_RETRY)) return format;
    if (is_last) return nullptr;
  }
}

tl::expected<void, DecodeOutcome> Demuxer::open() {
  const AVInputFormat* format = recognise();
  if (!format || !is_allowed(*format)) {
    return tl::unexpected(io_.stop().value_or(DecodeOutcome::not_audio));
  }
  format_ = first_name(*format);
  if (format_ == "mov") io_.allow_seeking();
  if (format_ == "mov" || format_ == "wav" || format_ == "aiff") io_.keep_positions();

  AVFormatContext* context = avformat_alloc_context();
  if (!context) return tl::unexpected(DecodeOutcome::decoder_memory);
  context->pb = io_.context();
  context->flags |= AVFMT_FLAG_CUSTOM_IO;
  // MP4 with its index in front is read front to back, without a look at its end first.
  context->flags |= AVFMT_FLAG_IGNIDX;
  context->max_streams = kStreamsPerFileMax;
  context->protocol_whitelist = av_strdup("none");
  context->codec_whitelist = av_strdup(AudioDecoder::kAllowed);
  const int error = avformat_open_input(&context, nullptr, format, nullptr);  // frees on error
  if (error == AVERROR(ENOMEM)) return tl::unexpected(DecodeOutcome::decoder_memory);
  if (error < 0) return tl::unexpected(io_.stop().value_or(DecodeOutcome::undecodable));
  context_.reset(context);
  if (auto chosen = choose_track(); !chosen) return chosen;
  if (lies_in_order()) io_.forward_only();
  return {};
}

// An index may name the track's parts in any order: then it is all kept, as if its end came first.
bool Demuxer::lies_in_order() const {
  AVStream* stream = context_->streams[track_];
  int64_t last = 0;
  for (int i = 0; i < avformat_index_get_entries_count(stream); ++i) {
    const int64_t position = avformat_index_get_entry(stream, i)->pos;
    if (position < last) return false;
    last = position;
  }
  return true;
}

tl::expected<void, DecodeOutcome> Demuxer::choose_track() {
  const std::span streams(context_->streams, context_->nb_streams);
  const AVStream* best = nullptr;
  for (AVStream* stream : streams) {
    stream->discard = AVDISCARD_ALL;
    if (stream->codecpar->codec_type != AVMEDIA_TYPE_AUDIO) continue;
    if (!best || rank(*stream) > rank(*best)) best = stream;
  }
  if (!best) return tl::unexpected(DecodeOutcome::not_audio);
  track_ = best->index;
  streams[static_cast<size_t>(track_)]->discard = AVDISCARD_DEFAULT;
  return {};
}

int Demuxer::next_packet(AVPacket& packet) {
  for (;;) {
    const int error = av_read_frame(context_.get(), &packet);
    if (error < 0 || packet.stream_index == track_) return error;
    av_packet_unref(&packet);
  }
}

bool Demuxer::has_timestamps() const {
  return format_ != "mp3" && format_ != "aac" && format_ != "flac";
}

double Demuxer::promised_seconds() const {
  const AVStream& stream = track();
  if (stream.duration > 0) return static_cast<double>(stream.duration) * av_q2d(stream.time_base);
  if (context_->duration > 0) return static_cast<double>(context_->duration) / AV_TIME_BASE;
  return 0;
}

}  // namespace soundgate::decode
