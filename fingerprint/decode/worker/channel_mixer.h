// Mixes decoded frames of one or two channels to mono, as what is fingerprinted hears them: the
// mean of both; or half their difference, where that is nearly all there is. (One channel turned
// upside down sounds much the same to a listener, and is silence to a mean.)
// Input: frames in the sample formats that libavcodec's decoders give.  Output: 16-bit samples
//   with kHeadroomBits less than full scale (polyphase.h).
// Thread: the stream's fiber.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "fingerprint/decode/worker/libav_ptr.h"

namespace soundgate::decode {

class ChannelMixer {
 public:
  static bool can_mix(const AVFrame& frame);

  // The frame's samples from `first` on, as many as `mono` has.
  void mix(const AVFrame& frame, size_t first, std::span<int16_t> mono);

 private:
  bool looks_at(const AVFrame& frame, size_t first, size_t count);

  double mono_power_ = 0, side_power_ = 0;  // of late
  bool takes_side_ = false;
};

}  // namespace soundgate::decode
