#include "fingerprint/decode/worker/demuxer.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <tuple>

#include "fingerprint/decode/worker/audio_decoder.h"
#include "fingerprint/decode/worker/tags.h"

namespace soundgate::decode {
namespace {

// The names that libavformat gives them start with these.
constexpr std::array<std::string_view, 10> kFormats = {"mp3",  "aac", "mov",      "flac", "wav",
                                                       "aiff", "ogg", "matroska", "asf",  "mpegts"};

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

// Those in front of the audio hold pictures of megabytes, and are all that recognise() would see.
// libav would read them into memory.
bool Demuxer::skip_tags() {
  bool any = false;
  while (const uint64_t bytes = id3_bytes(io_.peek(kTagHeaderBytes))) {
    io_.skip(bytes);
    any = true;
  }
  return any;
}

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
  const bool is_tagged = skip_tags();
  const AVInputFormat* format = recognise();
  if (!format || !is_allowed(*format)) {
    const auto outcome = is_tagged ? DecodeOutcome::undecodable : DecodeOutcome::not_audio;
    return tl::unexpected(io_.stop().value_or(outcome));
  }
  format_ = first_name(*format);
  if (auto opened = open_as(*format); !opened) return opened;
  if (auto chosen = choose_track(); !chosen) return chosen;
  io_.opened(lies_in_order());
  return {};
}

tl::expected<void, DecodeOutcome> Demuxer::open_as(const AVInputFormat& format) {
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
  // Chapters lie among the audio, maybe at its end.
  AVDictionary* options = nullptr;
  av_dict_set(&options, "ignore_chapters", "1", 0);
  const int error = avformat_open_input(&context, nullptr, &format, &options);  // frees on error
  av_dict_free(&options);
  if (error == AVERROR(ENOMEM)) return tl::unexpected(DecodeOutcome::decoder_memory);
  if (error < 0) return tl::unexpected(io_.stop().value_or(DecodeOutcome::undecodable));
  context_.reset(context);
  if (format_ == "mov" && has_negative_track()) return tl::unexpected(DecodeOutcome::undecodable);
  return {};
}

// Of MP4: libav would take a thousand million steps for each run of samples in its fragments.
bool Demuxer::has_negative_track() const {
  return std::ranges::any_of(std::span(context_->streams, context_->nb_streams),
                             [](const AVStream* stream) { return stream->id < 0; });
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
  const AVStream* best = await_track();
  if (!best) return tl::unexpected(io_.stop().value_or(DecodeOutcome::not_audio));
  track_ = best->index;
  for (AVStream* stream : std::span(context_->streams, context_->nb_streams)) {
    if (stream != best) stream->discard = AVDISCARD_ALL;
  }
  if (first_packet_ && first_packet_->stream_index != track_) first_packet_.reset();
  return {};
}

const AVStream* Demuxer::best_track() const {
  const AVStream* best = nullptr;
  for (const AVStream* stream : std::span(context_->streams, context_->nb_streams)) {
    if (stream->codecpar->codec_type != AVMEDIA_TYPE_AUDIO) continue;
    if (!best || rank(*stream) > rank(*best)) best = stream;
  }
  return best;
}

// MPEG-TS has no header: a programme's tracks may be announced after others, or not be named.
const AVStream* Demuxer::await_track() {
  const int64_t give_up_at = avio_tell(context_->pb) + static_cast<int64_t>(kTrackBytesMax);
  for (;;) {
    const AVStream* best = best_track();
    if (best && AudioDecoder::can_decode(*best->codecpar)) return best;
    if (!(context_->ctx_flags & AVFMTCTX_NOHEADER) || avio_tell(context_->pb) > give_up_at) {
      return best;
    }
    for (AVStream* stream : std::span(context_->streams, context_->nb_streams)) {
      if (stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) stream->discard = AVDISCARD_ALL;
    }
    first_packet_.reset(av_packet_alloc());
    if (!first_packet_) throw std::bad_alloc();
    if (av_read_frame(context_.get(), first_packet_.get()) < 0) return best_track();
  }
}

int Demuxer::next_packet(AVPacket& packet) {
  if (first_packet_) {
    av_packet_move_ref(&packet, first_packet_.get());
    first_packet_.reset();
    return 0;
  }
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
