#include "perf/micro/fingerprint/bare_decode.h"

#include <memory>
#include <stdexcept>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace soundgate {
namespace {

struct Close {
  void operator()(AVFormatContext* format) const { avformat_close_input(&format); }
  void operator()(AVCodecContext* codec) const { avcodec_free_context(&codec); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
template <class T>
using Owned = std::unique_ptr<T, Close>;

Owned<AVFormatContext> open_format(const std::string& path) {
  AVFormatContext* format = nullptr;
  if (avformat_open_input(&format, path.c_str(), nullptr, nullptr) < 0) {
    throw std::runtime_error("libavformat does not open " + path);
  }
  return Owned<AVFormatContext>(format);
}

// The float decoder of MP3 is not the one that its id names.
Owned<AVCodecContext> open_codec(const AVCodecParameters& track) {
  const AVCodec* codec = track.codec_id == AV_CODEC_ID_MP3
                             ? avcodec_find_decoder_by_name("mp3float")
                             : avcodec_find_decoder(track.codec_id);
  Owned<AVCodecContext> context(avcodec_alloc_context3(codec));
  avcodec_parameters_to_context(context.get(), &track);
  context->thread_count = 1;
  if (avcodec_open2(context.get(), codec, nullptr) < 0) throw std::runtime_error("no decoder");
  return context;
}

// Headers alone say which it is: a look ahead would be a cost that decoding does not need.
int first_audio_track(const AVFormatContext& format) {
  for (unsigned i = 0; i < format.nb_streams; ++i) {
    if (format.streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) return static_cast<int>(i);
  }
  throw std::runtime_error("no audio");
}

}  // namespace

uint64_t decode_bare(const std::string& path) {
  const auto format = open_format(path);
  const int track = first_audio_track(*format);
  const auto codec = open_codec(*format->streams[track]->codecpar);
  const Owned<AVPacket> packet(av_packet_alloc());
  const Owned<AVFrame> frame(av_frame_alloc());
  uint64_t samples = 0;
  while (av_read_frame(format.get(), packet.get()) >= 0) {
    if (packet->stream_index == track && avcodec_send_packet(codec.get(), packet.get()) >= 0) {
      while (avcodec_receive_frame(codec.get(), frame.get()) >= 0) {
        samples += static_cast<uint64_t>(frame->nb_samples);
      }
    }
    av_packet_unref(packet.get());
  }
  return samples;
}

}  // namespace soundgate
