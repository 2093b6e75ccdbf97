#include "fingerprint/decode/worker/resampler.h"

extern "C" {
#include <libavutil/opt.h>
}

#include <algorithm>
#include <array>
#include <cmath>
#include <new>

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

// A frame's planes from a sample on, as libswresample takes them.
std::array<const uint8_t*, kChannelsMax> planes_from(const AVFrame& frame, size_t first) {
  const auto format = static_cast<AVSampleFormat>(frame.format);
  const auto channels = static_cast<size_t>(frame.ch_layout.nb_channels);
  const bool planar = av_sample_fmt_is_planar(format) != 0;
  const size_t offset =
      first * static_cast<size_t>(av_get_bytes_per_sample(format)) * (planar ? 1 : channels);
  std::array<const uint8_t*, kChannelsMax> planes{};
  for (size_t i = 0; i < (planar ? channels : 1); ++i) planes[i] = frame.extended_data[i] + offset;
  return planes;
}

}  // namespace

Resampler::~Resampler() { av_channel_layout_uninit(&channels_); }

bool Resampler::is_set_for(const AVFrame& frame) const {
  return (odd_rate_ || polyphase_) && is_like_the_last(frame);
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
  to_stereo_.reset();
  if (!ChannelMixer::can_mix(frame) && !set_up_stereo(frame)) return false;
  if (Polyphase::suits(frame.sample_rate)) {
    polyphase_.emplace(frame.sample_rate, first_sample);
  } else if (!set_up_odd_rate(frame.sample_rate)) {
    return false;
  }
  sample_format_ = frame.format;
  sample_rate_hz_ = frame.sample_rate;
  return av_channel_layout_copy(&channels_, &frame.ch_layout) >= 0;
}

bool Resampler::set_up_stereo(const AVFrame& frame) {
  stereo_.reset(av_frame_alloc());
  if (!stereo_) throw std::bad_alloc();
  stereo_->format = AV_SAMPLE_FMT_FLTP;
  stereo_->sample_rate = frame.sample_rate;
  stereo_->nb_samples = kMixedSamplesMax;
  av_channel_layout_default(&stereo_->ch_layout, std::min(frame.ch_layout.nb_channels, 2));
  if (av_frame_get_buffer(stereo_.get(), 0) < 0) throw std::bad_alloc();
  AVChannelLayout input{};
  SwrContext* context = nullptr;
  const bool allocated =
      layout_of(frame, input) &&
      swr_alloc_set_opts2(&context, &stereo_->ch_layout, AV_SAMPLE_FMT_FLTP, frame.sample_rate,
                          &input, static_cast<AVSampleFormat>(frame.format), frame.sample_rate, 0,
                          nullptr) >= 0;
  av_channel_layout_uninit(&input);
  if (!allocated) return false;
  to_stereo_.reset(context);
  return swr_init(context) >= 0;
}

bool Resampler::set_up_odd_rate(int sample_rate_hz) {
  AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
  SwrContext* context = nullptr;
  if (swr_alloc_set_opts2(&context, &mono, AV_SAMPLE_FMT_S16, kSampleRateHz, &mono,
                          AV_SAMPLE_FMT_S16, sample_rate_hz, 0, nullptr) < 0) {
    return false;
  }
  LibavPtr<SwrContext> owner(context);
  av_opt_set_int(context, "filter_size", 16, 0);
  av_opt_set_int(context, "phase_shift", 8, 0);
  av_opt_set_int(context, "linear_interp", 1, 0);
  av_opt_set_double(context, "cutoff", 0.8, 0);
  if (swr_init(context) < 0) return false;
  odd_rate_ = std::move(owner);
  return true;
}

uint64_t Resampler::begin_at(const AVFrame& frame, double seconds) {
  mixer_ = {};
  const double first_sample = std::round(seconds * frame.sample_rate);
  if (set_up(frame, static_cast<uint64_t>(first_sample)) && polyphase_) {
    return polyphase_->first_made();
  }
  return static_cast<uint64_t>(std::llround(seconds * kSampleRateHz));
}

// In pieces: a frame of a crafted file may last for hours.
bool Resampler::convert(const AVFrame& frame) {
  if (!is_set_for(frame) && !set_up(frame, 0)) return false;
  const auto count = static_cast<size_t>(std::max(frame.nb_samples, 0));
  for (size_t first = 0; first < count; first += kMixedSamplesMax) {
    if (!convert(frame, first, std::min(count - first, kMixedSamplesMax))) return false;
  }
  return true;
}

bool Resampler::convert(const AVFrame& frame, size_t first, size_t count) {
  if (polyphase_) {
    if (!mix(frame, first, polyphase_->append(count))) return false;
    sink_(polyphase_->take());
    return true;
  }
  mono_.resize(count);
  return mix(frame, first, mono_) && resample_odd_rate(mono_);
}

bool Resampler::mix(const AVFrame& frame, size_t first, std::span<int16_t> mono) {
  if (!to_stereo_) {
    mixer_.mix(frame, first, mono);
    return true;
  }
  const auto count = static_cast<int>(mono.size());
  auto planes = planes_from(frame, first);
  if (swr_convert(to_stereo_.get(), stereo_->extended_data, count, planes.data(), count) != count) {
    return false;
  }
  mixer_.mix(*stereo_, 0, mono);
  return true;
}

void Resampler::flush() {
  if (odd_rate_) resample_odd_rate({});
  if (polyphase_) sink_(polyphase_->flush());
  odd_rate_.reset();
  polyphase_.reset();
}

// Nothing: what it still holds back.
bool Resampler::resample_odd_rate(std::span<const int16_t> mono) {
  auto input_samples = static_cast<int>(mono.size());
  const int room =
      std::clamp(swr_get_out_samples(odd_rate_.get(), input_samples), 1, kResampledSamplesMax);
  if (output_.size() < static_cast<size_t>(room)) output_.resize(static_cast<size_t>(room));
  const auto* input = reinterpret_cast<const uint8_t*>(mono.data());
  auto* output = reinterpret_cast<uint8_t*>(output_.data());
  for (;;) {
    const int count =
        swr_convert(odd_rate_.get(), &output, room, mono.empty() ? nullptr : &input, input_samples);
    if (count < 0) return false;
    const auto made = std::span(output_).first(static_cast<size_t>(count));
    for (int16_t& sample : made) {  // to full scale
      const int full = sample * (1 << kHeadroomBits);
      sample = static_cast<int16_t>(std::clamp<int>(full, INT16_MIN, INT16_MAX));
    }
    if (count > 0) sink_(made);
    if (count < kResampledSamplesMax) return true;
    input_samples = 0;  // it has kept the rest of the input
  }
}

}  // namespace soundgate::decode
