#include "fingerprint/decode/worker/audio_decoder.h"

extern "C" {
#include <libavutil/avstring.h>
}

#include <new>
#include <string_view>

namespace soundgate::decode {
namespace {

// "mp3" alone names the fixed-point decoder of MP3, which is half again as slow.
const AVCodec* find_decoder(AVCodecID codec) {
  if (codec == AV_CODEC_ID_MP3) return avcodec_find_decoder_by_name("mp3float");
  return avcodec_find_decoder(codec);
}

}  // namespace

const char* const AudioDecoder::kAllowed =
    "mp3float,mp2float,mp1float,aac,vorbis,opus,flac,alac,wmav1,wmav2,ac3,eac3,aac_latm,"
    "pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,"
    "pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_alaw,pcm_mulaw";

bool AudioDecoder::can_decode(const AVCodecParameters& track) {
  const AVCodec* codec = find_decoder(track.codec_id);
  return codec && av_match_list(codec->name, kAllowed, ',') > 0;
}

bool AudioDecoder::open(const AVStream& track) {
  if (!can_decode(*track.codecpar)) return false;
  const AVCodec* codec = find_decoder(track.codecpar->codec_id);
  context_.reset(avcodec_alloc_context3(codec));
  frame_.reset(av_frame_alloc());
  if (!context_ || !frame_) throw std::bad_alloc();
  if (avcodec_parameters_to_context(context_.get(), track.codecpar) < 0) return false;
  context_->pkt_timebase = track.time_base;
  context_->codec_whitelist = av_strdup(kAllowed);
  context_->thread_count = 1;
  buffers_.serve(*context_);
  return avcodec_open2(context_.get(), codec, nullptr) >= 0;
}

bool AudioDecoder::decode(const AVPacket* packet, const OnFrame& on_frame) {
  int error = avcodec_send_packet(context_.get(), packet);
  if (error == AVERROR(EAGAIN)) {  // the decoder has frames to hand over first
    if (!receive(on_frame)) return false;
    error = avcodec_send_packet(context_.get(), packet);
  }
  const bool sent = succeeded(error);
  return receive(on_frame) && sent;
}

void AudioDecoder::forget() { avcodec_flush_buffers(context_.get()); }

bool AudioDecoder::receive(const OnFrame& on_frame) {
  bool whole = true;
  for (;;) {
    const int error = avcodec_receive_frame(context_.get(), frame_.get());
    if (error == AVERROR(EAGAIN) || error == AVERROR_EOF) return whole;
    if (!succeeded(error)) return false;
    whole &= frame_->decode_error_flags == 0 && !(frame_->flags & AV_FRAME_FLAG_CORRUPT);
    on_frame(*frame_);
  }
}

bool AudioDecoder::succeeded(int error) {
  out_of_memory_ |= error == AVERROR(ENOMEM);
  return error >= 0;
}

}  // namespace soundgate::decode
