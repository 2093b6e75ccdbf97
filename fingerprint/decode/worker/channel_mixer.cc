#include "fingerprint/decode/worker/channel_mixer.h"

#include <algorithm>
#include <cmath>

#include "fingerprint/decode/worker/polyphase.h"
#include "fingerprint/vector_clones.h"

namespace soundgate::decode {
namespace {

constexpr double kSideEnters = 16;
constexpr double kSideLeaves = 8;
constexpr double kPowerSeconds = 1;  // over which power is looked at
// The difference alone, and the mean alone, are told from each other in so short a piece, where one
// has so much more power, and the piece is not much softer than usual: there it may be noise.
constexpr size_t kPieceSamples = 512;  // 12 ms at 44.1 kHz
constexpr double kAlone = 1000;
constexpr double kHeardShare = 1e-3;

// What a sample of full scale is multiplied with, to be one that has headroom.
template <class Sample>
constexpr float kScale = 1 << (15 - kHeadroomBits);
template <>
constexpr float kScale<int16_t> = 1.0F / (1 << kHeadroomBits);
template <>
constexpr float kScale<int32_t> = 1.0F / (1 << (16 + kHeadroomBits));

// Rounds, and cuts off what has no room. (Shifted to where cutting the fraction off rounds down:
// vectors can do that. What is no number becomes the least one.)
inline int16_t to_16_bits(float sample) {
  constexpr float kShift = 32768;
  const float shifted = std::min(std::max(0.0F, sample + kShift + 0.5F), 2 * kShift - 1);
  return static_cast<int16_t>(static_cast<int32_t>(shifted) - static_cast<int32_t>(kShift));
}

struct Powers {
  double mono = 0, side = 0;
};

// Two channels, a plane each or in turns.
template <class Sample, size_t kStep>
struct Channels {
  const Sample* left;
  const Sample* right;

  float half_left(size_t i) const { return kHalf * static_cast<float>(left[i * kStep]); }
  float half_right(size_t i) const { return kHalf * static_cast<float>(right[i * kStep]); }

 private:
  static constexpr float kHalf = kScale<Sample> / 2;
};

template <class AnyChannels>
[[gnu::always_inline]] inline void mix_channels(const AnyChannels& channels, float sign,
                                                std::span<int16_t> mono) {
  int16_t* __restrict to = mono.data();
  for (size_t i = 0; i < mono.size(); ++i) {
    to[i] = to_16_bits(channels.half_left(i) + sign * channels.half_right(i));
  }
}

// Of a quarter of them, which says enough. In lanes: each addition would wait for the one before
// it.
template <class AnyChannels>
[[gnu::always_inline]] inline Powers powers_of(const AnyChannels& channels, size_t count) {
  constexpr size_t kLanes = 16;
  float mono[kLanes] = {}, side[kLanes] = {};
  const auto add = [&](size_t i, size_t lane) {
    const float l = channels.half_left(i), r = channels.half_right(i);
    mono[lane] += (l + r) * (l + r);
    side[lane] += (l - r) * (l - r);
  };
  for (size_t i = 0; i + kLanes <= count; i += 4 * kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  }
  for (size_t i = 0; i < std::min(count, kLanes); ++i) {
    if (count < kLanes) add(i, i);  // a frame that short
  }
  Powers powers;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    powers.mono += mono[lane];
    powers.side += side[lane];
  }
  return powers;
}

// Calls visit with the channels of a frame from `first` on, in the type that they have.
template <class Sample, class Visit>
[[gnu::always_inline]] inline void visit_channels(const AVFrame& frame, size_t first, Visit visit) {
  const auto plane = [&](int channel) {
    return reinterpret_cast<const Sample*>(frame.extended_data[channel]);
  };
  if (frame.ch_layout.nb_channels == 1) {
    visit(Channels<Sample, 1>{plane(0) + first, plane(0) + first});
  } else if (av_sample_fmt_is_planar(static_cast<AVSampleFormat>(frame.format))) {
    visit(Channels<Sample, 1>{plane(0) + first, plane(1) + first});
  } else {
    visit(Channels<Sample, 2>{plane(0) + 2 * first, plane(0) + 2 * first + 1});
  }
}

template <class Visit>
[[gnu::always_inline]] inline void visit_channels(const AVFrame& frame, size_t first, Visit visit) {
  switch (av_get_packed_sample_fmt(static_cast<AVSampleFormat>(frame.format))) {
    case AV_SAMPLE_FMT_FLT:
      return visit_channels<float>(frame, first, visit);
    case AV_SAMPLE_FMT_S16:
      return visit_channels<int16_t>(frame, first, visit);
    default:
      return visit_channels<int32_t>(frame, first, visit);
  }
}

SOUNDGATE_VECTOR_CLONES void mix_frame(const AVFrame& frame, size_t first, float sign,
                                       std::span<int16_t> mono) {
  visit_channels(frame, first, [&](const auto& channels) { mix_channels(channels, sign, mono); });
}

SOUNDGATE_VECTOR_CLONES Powers powers_of_frame(const AVFrame& frame, size_t first, size_t count) {
  Powers powers;
  visit_channels(frame, first, [&](const auto& channels) { powers = powers_of(channels, count); });
  return powers;
}

bool is_mono_or_stereo(const AVChannelLayout& layout) {
  if (layout.order == AV_CHANNEL_ORDER_UNSPEC) return layout.nb_channels <= 2;
  constexpr AVChannelLayout kStereo = AV_CHANNEL_LAYOUT_STEREO;
  return layout.nb_channels == 1 || av_channel_layout_compare(&layout, &kStereo) == 0;
}

}  // namespace

bool ChannelMixer::can_mix(const AVFrame& frame) {
  switch (av_get_packed_sample_fmt(static_cast<AVSampleFormat>(frame.format))) {
    case AV_SAMPLE_FMT_FLT:
    case AV_SAMPLE_FMT_S16:
    case AV_SAMPLE_FMT_S32:
      return is_mono_or_stereo(frame.ch_layout);
    default:
      return false;
  }
}

void ChannelMixer::mix(const AVFrame& frame, size_t first, std::span<int16_t> mono) {
  while (!mono.empty()) {
    const std::span<int16_t> piece = mono.first(std::min(mono.size(), kPieceSamples));
    const bool takes_side =
        frame.ch_layout.nb_channels == 2 && looks_at(frame, first, piece.size());
    mix_frame(frame, first, takes_side ? -1.0F : 1.0F, piece);
    first += piece.size();
    mono = mono.subspan(piece.size());
  }
}

// Returns whether the difference stands for this piece.
bool ChannelMixer::looks_at(const AVFrame& frame, size_t first, size_t count) {
  const Powers powers = powers_of_frame(frame, first, count);
  const double seconds = static_cast<double>(count) / frame.sample_rate;
  const double kept = std::exp(-seconds / kPowerSeconds);
  mono_power_ = kept * mono_power_ + powers.mono;
  side_power_ = kept * side_power_ + powers.side;
  if (!std::isfinite(mono_power_ + side_power_)) mono_power_ = side_power_ = 0;  // floats may lie
  takes_side_ = side_power_ > (takes_side_ ? kSideLeaves : kSideEnters) * mono_power_;
  const double usual = (mono_power_ + side_power_) * (1 - kept);
  if (powers.mono + powers.side < kHeardShare * usual) return takes_side_;
  if (powers.side > kAlone * powers.mono) return true;
  if (powers.mono > kAlone * powers.side) return false;
  return takes_side_;
}

}  // namespace soundgate::decode
