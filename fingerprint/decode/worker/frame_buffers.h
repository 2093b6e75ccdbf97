// Buffers for the frames of one decoder, used again and again. (libavcodec's own pool starts afresh
// whenever a frame has another length than the last: in Vorbis, every few frames.)
// Thread: the stream's fiber.  Errors: AVERROR(ENOMEM).
#pragma once

#include <cstddef>

#include "fingerprint/decode/worker/libav_ptr.h"

namespace soundgate::decode {

class FrameBuffers {
 public:
  // Has the decoder take its buffers from here; to outlive it.
  void serve(AVCodecContext& decoder);

 private:
  static int get(AVCodecContext* decoder, AVFrame* frame, int flags);
  AVBufferRef* take(size_t bytes);

  LibavPtr<AVBufferPool> pool_;
  size_t buffer_bytes_ = 0;
};

}  // namespace soundgate::decode
