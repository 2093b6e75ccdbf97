// Mixes and resamples decoded frames to what is fingerprinted: mono s16 at kSampleRateHz.
// Input: frames of any format; it may change from one to the next.  Output: samples, to a sink.
// Errors: false where the format cannot be converted, or it changes too often.
// Thread: the stream's fiber.
// Source: the settings of fpcalc 1.5.1, so that the bits are the same. libswresample does what is
//   unusual: more than two channels, or samples of another kind, become stereo floats first; odd
//   rates are its to resample. All of it is mixed by the same ChannelMixer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "fingerprint/decode/worker/channel_mixer.h"
#include "fingerprint/decode/worker/libav_ptr.h"
#include "fingerprint/decode/worker/polyphase.h"

namespace soundgate::decode {

class Resampler {
 public:
  using Sink = std::function<void(std::span<const int16_t>)>;
  explicit Resampler(Sink sink) : sink_(std::move(sink)) {}
  ~Resampler();

  bool convert(const AVFrame& frame);
  // The next frame is this one, and lies there in the audio. Returns which sample the first one is
  // that it makes, counted from the begin of the audio.
  uint64_t begin_at(const AVFrame& frame, double seconds);
  void flush();  // what the filter still holds back; the next frame does not follow the last

 private:
  bool is_set_for(const AVFrame& frame) const;
  bool is_like_the_last(const AVFrame& frame) const;
  bool set_up(const AVFrame& frame, uint64_t first_sample);
  bool set_up_stereo(const AVFrame& frame);
  bool set_up_odd_rate(int sample_rate_hz);
  bool convert(const AVFrame& frame, size_t first, size_t count);
  bool mix(const AVFrame& frame, size_t first, std::span<int16_t> mono);
  bool resample_odd_rate(std::span<const int16_t> mono);

  Sink sink_;
  LibavPtr<SwrContext> to_stereo_;  // where the mixer cannot take a frame as it is
  LibavPtr<AVFrame> stereo_;
  ChannelMixer mixer_;
  std::optional<Polyphase> polyphase_;  // where the rate is usual, or else:
  LibavPtr<SwrContext> odd_rate_;
  std::vector<int16_t> mono_, output_;
  int sample_format_ = -1;
  int sample_rate_hz_ = 0;
  int set_ups_ = 0;
  AVChannelLayout channels_{};
};

}  // namespace soundgate::decode
