#include "fingerprint/decode/worker/frame_buffers.h"

#include <bit>

namespace soundgate::decode {

void FrameBuffers::serve(AVCodecContext& decoder) {
  decoder.opaque = this;
  decoder.get_buffer2 = &FrameBuffers::get;
}

// Larger ones are rare, and too much to keep.
constexpr int kKeptBytesMax = 4 << 20;

// All planes lie in one buffer, where a frame has pointers for them.
int FrameBuffers::get(AVCodecContext* decoder, AVFrame* frame, int flags) {
  const int channels = frame->ch_layout.nb_channels;
  const auto format = static_cast<AVSampleFormat>(frame->format);
  const int bytes =
      av_samples_get_buffer_size(nullptr, channels, frame->nb_samples, format, /*align=*/0);
  const bool takes_ours = decoder->codec->capabilities & AV_CODEC_CAP_DR1;
  if (!takes_ours || channels > AV_NUM_DATA_POINTERS || bytes <= 0 || bytes > kKeptBytesMax) {
    return avcodec_default_get_buffer2(decoder, frame, flags);
  }
  frame->buf[0] = static_cast<FrameBuffers*>(decoder->opaque)->take(static_cast<size_t>(bytes));
  if (!frame->buf[0]) return AVERROR(ENOMEM);
  frame->extended_data = frame->data;
  const int error = av_samples_fill_arrays(frame->data, frame->linesize, frame->buf[0]->data,
                                           channels, frame->nb_samples, format, /*align=*/0);
  return error < 0 ? error : 0;
}

AVBufferRef* FrameBuffers::take(size_t bytes) {
  if (bytes > buffer_bytes_) {
    buffer_bytes_ = std::bit_ceil(bytes);
    // Zeros, as libavcodec's own: a decoder may leave out what damage has taken, and what it finds
    // there must not be another stream's.
    pool_.reset(av_buffer_pool_init(buffer_bytes_, av_buffer_allocz));
  }
  return pool_ ? av_buffer_pool_get(pool_.get()) : nullptr;
}

}  // namespace soundgate::decode
