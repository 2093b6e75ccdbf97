#include "fingerprint/decode/worker/resampler.h"

extern "C" {
#include <libavutil/opt.h>
}

#include <algorithm>
#include <cmath>

#include "fingerprint/decode/limits.h"
#include "fingerprint/fingerprint.h"

namespace soundgate::decode {
namespace {

// Where a stream does not say how its channels lie, the usual layout for so many is taken.
bool layout_of(const AVFrame& frame, AVChannelLayout& layout) {
  if (frame.ch_layout.order == AV_CHANNEL_ORDER_UNSPEC) {
    av_channel_layout_default(&layout, frame.ch_layout.nb_channels);
    return true;
  }
  return av_channel_layout_copy(&layout, &frame.ch_layout) >= 0;
}

}  // namespace

Resampler::~Resampler() { av_channel_layout_uninit(&channels_); }

bool Resampler::is_set_for(const AVFrame& frame) const {
  return (context_ || polyphase_) && is_like_the_last(frame);
}

bool Resampler::is_like_the_last(const AVFrame& frame) const {
  return frame.format == sample_format_ && frame.sample_rate == sample_rate_hz_ &&
         av_channel_layout_compare(&frame.ch_layout, &channels_) == 0;
}

bool Resampler::set_up(const AVFrame& frame, uint64_t first_sample) {
  flush();
  if (frame.sample_rate < kSampleRateHzMin || frame.sample_rate > kSampleRateHzMax ||
      frame.ch_layout.nb_channels > kChannelsMax ||
      (!is_like_the_last(frame) && ++set_ups_ > kFormatChangesMax)) {
    return false;
  }
  if (ChannelMixer::can_mix(frame) && Polyphase::suits(frame.sample_rate)) {
    polyphase_.emplace(frame.sample_rate, first_sample);
  } else if (!set_up_libswresample(frame)) {
    return false;
  }
  sample_format_ = frame.format;
  sample_rate_hz_ = frame.sample_rate;
  return av_channel_layout_copy(&channels_, &frame.ch_layout) >= 0;
}

bool Resampler::set_up_libswresample(const AVFrame& frame) {
  AVChannelLayout input{};
  AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
  SwrContext* context = nullptr;
  const bool allocated = layout_of(frame, input) &&
                         swr_alloc_set_opts2(&context, &mono, AV_SAMPLE_FMT_S16, kSampleRateHz,
                                             &input, static_cast<AVSampleFormat>(frame.format),
                                             frame.sample_rate, 0, nullptr) >= 0;
  av_channel_layout_uninit(&input);
  if (!allocated) return false;
  context_.reset(context);
  av_opt_set_int(context, "filter_size", 16, 0);
  av_opt_set_int(context, "phase_shift", 8, 0);
  av_opt_set_int(context, "linear_interp", 1, 0);
  av_opt_set_double(context, "cutoff", 0.8, 0);
  if (swr_init(context) < 0) {
    context_.reset();
    return false;
  }
  return true;
}

uint64_t Resampler::begin_at(const AVFrame& frame, double seconds) {
  const double first_sample = std::round(seconds * frame.sample_rate);
  if (set_up(frame, static_cast<uint64_t>(first_sample)) && polyphase_) {
    return polyphase_->first_made();
  }
  return static_cast<uint64_t>(std::llround(seconds * kSampleRateHz));
}

bool Resampler::convert(const AVFrame& frame) {
  if (!is_set_for(frame) && !set_up(frame, 0)) return false;
  if (polyphase_) {
    convert_usual(frame);
    return true;
  }
  return run(const_cast<const uint8_t**>(frame.extended_data), frame.nb_samples);
}

// A frame of a crafted file may last for hours.
void Resampler::convert_usual(const AVFrame& frame) {
  const auto count = static_cast<size_t>(std::max(frame.nb_samples, 0));
  for (size_t first = 0; first < count; first += kMixedSamplesMax) {
    mixer_.mix(frame, first, polyphase_->append(std::min(count - first, kMixedSamplesMax)));
    sink_(polyphase_->take());
  }
}

void Resampler::flush() {
  if (context_) run(nullptr, 0);
  if (polyphase_) sink_(polyphase_->flush());
  context_.reset();
  polyphase_.reset();
}

bool Resampler::run(const uint8_t** input, int input_samples) {
  const int room =
      std::clamp(swr_get_out_samples(context_.get(), input_samples), 1, kResampledSamplesMax);
  if (output_.size() < static_cast<size_t>(room)) output_.resize(static_cast<size_t>(room));
  auto* output = reinterpret_cast<uint8_t*>(output_.data());
  for (;;) {
    const int count = swr_convert(context_.get(), &output, room, input, input_samples);
    if (count < 0) return false;
    if (count > 0) sink_({output_.data(), static_cast<size_t>(count)});
    if (count < kResampledSamplesMax) return true;
    input_samples = 0;  // it has kept the rest of the input
  }
}

}  // namespace soundgate::decode
