// Decodes the packets of one track into frames of samples.
// Input: AVPackets.  Output: AVFrames, in the codec's own sample format.
// Errors: open() says whether there is a decoder; a packet that fails is counted, and skipped.
// Thread: the stream's fiber; libavcodec starts none of its own.
#pragma once

#include <cstdint>
#include <functional>

#include "fingerprint/decode/worker/frame_buffers.h"
#include "fingerprint/decode/worker/libav_ptr.h"

namespace soundgate::decode {

class AudioDecoder {
 public:
  // libavcodec's own decoders; the float ones are the fastest of what there is.
  static const char* const kAllowed;

  static bool can_decode(const AVCodecParameters& track);

  bool open(const AVStream& track);

  // Sends a packet (nullptr: the end) and hands over each frame that comes of it.
  // false: the packet could not be decoded, or a frame of it is damaged.
  using OnFrame = std::function<void(const AVFrame&)>;
  bool decode(const AVPacket* packet, const OnFrame& on_frame);

  void forget();  // what came before: the next packet does not follow it

  const char* codec_name() const { return avcodec_get_name(context_->codec_id); }
  bool out_of_memory() const { return out_of_memory_; }

 private:
  bool receive(const OnFrame& on_frame);
  bool succeeded(int error);

  FrameBuffers buffers_;
  LibavPtr<AVCodecContext> context_;
  LibavPtr<AVFrame> frame_;
  bool out_of_memory_ = false;
};

}  // namespace soundgate::decode
