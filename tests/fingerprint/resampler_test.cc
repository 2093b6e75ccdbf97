// What decoded frames become: mono samples at 11025 Hz, as libswresample makes them with the
// settings of fpcalc.

#include "fingerprint/decode/worker/resampler.h"

#include <gtest/gtest.h>

extern "C" {
#include <libavutil/opt.h>
}

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "fingerprint/fingerprint.h"

namespace soundgate::decode {
namespace {

using Samples = std::vector<int16_t>;

// Two tones and what lies between them, of a second, in -1..1.
std::vector<float> make_sound(int rate_hz) {
  std::vector<float> sound(static_cast<size_t>(rate_hz));
  for (size_t i = 0; i < sound.size(); ++i) {
    const double seconds = static_cast<double>(i) / rate_hz;
    const double chirp = std::sin(2 * std::numbers::pi * (100 + 900 * seconds) * seconds);
    sound[i] =
        static_cast<float>(0.4 * chirp + 0.2 * std::sin(2 * std::numbers::pi * 220 * seconds));
  }
  return sound;
}

LibavPtr<AVFrame> make_frame(AVSampleFormat format, int channels, int rate_hz, size_t count) {
  LibavPtr<AVFrame> frame(av_frame_alloc());
  frame->format = format;
  frame->sample_rate = rate_hz;
  frame->nb_samples = static_cast<int>(count);
  av_channel_layout_default(&frame->ch_layout, channels);
  EXPECT_GE(av_frame_get_buffer(frame.get(), 0), 0);
  return frame;
}

LibavPtr<AVFrame> stereo(std::span<const float> left, float right_factor, int rate_hz) {
  auto frame = make_frame(AV_SAMPLE_FMT_FLTP, 2, rate_hz, left.size());
  auto* planes = reinterpret_cast<float**>(frame->extended_data);
  std::ranges::copy(left, planes[0]);
  std::ranges::transform(left, planes[1], [&](float sample) { return right_factor * sample; });
  return frame;
}

Samples resample(const std::vector<LibavPtr<AVFrame>>& frames) {
  Samples samples;
  Resampler resampler([&](std::span<const int16_t> more) {
    samples.insert(samples.end(), more.begin(), more.end());
  });
  for (const auto& frame : frames) EXPECT_TRUE(resampler.convert(*frame));
  resampler.flush();
  return samples;
}

Samples resample(LibavPtr<AVFrame> frame) {
  std::vector<LibavPtr<AVFrame>> frames;
  frames.push_back(std::move(frame));
  return resample(frames);
}

Samples resample_by_libswresample(AVFrame& frame) {
  AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
  SwrContext* context = nullptr;
  swr_alloc_set_opts2(&context, &mono, AV_SAMPLE_FMT_S16, kSampleRateHz, &frame.ch_layout,
                      static_cast<AVSampleFormat>(frame.format), frame.sample_rate, 0, nullptr);
  const LibavPtr<SwrContext> owner(context);
  av_opt_set_int(context, "filter_size", 16, 0);
  av_opt_set_int(context, "phase_shift", 8, 0);
  av_opt_set_int(context, "linear_interp", 1, 0);
  av_opt_set_double(context, "cutoff", 0.8, 0);
  EXPECT_GE(swr_init(context), 0);
  Samples samples(2 * kSampleRateHz);
  const auto room = [&](int done) { return reinterpret_cast<uint8_t*>(samples.data() + done); };
  uint8_t* out = room(0);
  int count = swr_convert(context, &out, kSampleRateHz,
                          const_cast<const uint8_t**>(frame.extended_data), frame.nb_samples);
  out = room(count);
  count += swr_convert(context, &out, kSampleRateHz, nullptr, 0);
  samples.resize(static_cast<size_t>(count));
  return samples;
}

class UsualRates : public testing::TestWithParam<int> {};

// Both round: to 16 bits at the end, and ours before the filter, too.
TEST_P(UsualRates, AreResampledAsByLibswresample) {
  constexpr int kRoundingMax = 8;
  constexpr size_t kEdge = 100;  // where one hears silence, and the other a mirror
  const auto frame = stereo(make_sound(GetParam()), 0.5F, GetParam());
  const Samples theirs = resample_by_libswresample(*frame);
  const Samples ours = resample(stereo(make_sound(GetParam()), 0.5F, GetParam()));
  ASSERT_NEAR(static_cast<double>(ours.size()), static_cast<double>(theirs.size()), 10);
  for (size_t i = kEdge; i + kEdge < std::min(ours.size(), theirs.size()); ++i) {
    ASSERT_NEAR(ours[i], theirs[i], kRoundingMax) << "sample " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Rates, UsualRates,
                         testing::Values(8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000,
                                         88200, 96000, 192000));

TEST(Resampler, MakesTheSameOfManyFramesAsOfOne) {
  const std::vector<float> sound = make_sound(48000);
  const auto whole = resample(stereo(sound, 1, 48000));
  std::vector<LibavPtr<AVFrame>> frames;
  size_t next = 0;
  for (size_t count = 1; next < sound.size(); count = count * 3 % 1999 + 1) {
    const size_t end = std::min(next + count, sound.size());
    frames.push_back(stereo(std::span(sound).subspan(next, end - next), 1, 48000));
    next = end;
  }
  EXPECT_EQ(resample(frames), whole);
}

template <class Sample>
LibavPtr<AVFrame> integers(AVSampleFormat format, bool planar, double scale) {
  const std::vector<float> sound = make_sound(44100);
  auto frame = make_frame(format, 2, 44100, sound.size());
  for (size_t i = 0; i < sound.size(); ++i) {
    const auto sample = static_cast<Sample>(std::lrint(sound[i] * scale));
    for (size_t channel = 0; channel < 2; ++channel) {
      auto* plane = reinterpret_cast<Sample*>(frame->extended_data[planar ? channel : 0]);
      plane[planar ? i : 2 * i + channel] = sample;
    }
  }
  return frame;
}

void expect_near(const Samples& one, const Samples& other) {
  ASSERT_EQ(one.size(), other.size());
  for (size_t i = 0; i < one.size(); ++i) ASSERT_NEAR(one[i], other[i], 4) << "sample " << i;
}

TEST(Resampler, HearsTheSameInEachSampleFormat) {
  const Samples floats = resample(stereo(make_sound(44100), 1, 44100));
  expect_near(resample(integers<int16_t>(AV_SAMPLE_FMT_S16, false, 32767)), floats);
  expect_near(resample(integers<int16_t>(AV_SAMPLE_FMT_S16P, true, 32767)), floats);
  expect_near(resample(integers<int32_t>(AV_SAMPLE_FMT_S32, false, 2147483000)), floats);
  expect_near(resample(integers<int32_t>(AV_SAMPLE_FMT_S32P, true, 2147483000)), floats);
  expect_near(resample(integers<double>(AV_SAMPLE_FMT_DBL, false, 1)),  // not one of the usual
              resample(integers<double>(AV_SAMPLE_FMT_DBLP, true, 1)));
}

TEST(Resampler, HearsOneChannelUpsideDown) {
  const Samples upright = resample(stereo(make_sound(44100), 1, 44100));
  expect_near(resample(stereo(make_sound(44100), -1, 44100)), upright);
}

// Faster than what is usual of late could say.
TEST(Resampler, HearsOneChannelWhoseSignChangesQuickly) {
  const std::vector<float> sound = make_sound(44100);
  std::vector<LibavPtr<AVFrame>> frames;
  for (size_t at = 0, count = 0; at < sound.size(); at += count) {
    count = std::min<size_t>(4096, sound.size() - at);
    const float sign = frames.size() % 2 == 0 ? 1 : -1;
    frames.push_back(stereo(std::span(sound).subspan(at, count), sign, 44100));
  }
  expect_near(resample(frames), resample(stereo(sound, 1, 44100)));
}

// As wide as a frame may be: what of it is upside down must be heard whatever it is made of.
double loudness(const Samples& samples) {
  double sum = 0;
  for (const int16_t sample : samples) sum += sample * sample;
  return std::sqrt(sum / static_cast<double>(samples.size()));
}

// As music has it for a moment: others mix it, and so do we.
TEST(Resampler, MixesWhatIsNearlyUpsideDownForAMoment) {
  const std::vector<float> sound = make_sound(44100);
  const auto with_moment = [&](float of_right) {
    std::vector<LibavPtr<AVFrame>> frames;
    for (size_t at = 0, count = 0; at < sound.size(); at += count) {
      count = std::min<size_t>(4096, sound.size() - at);
      const bool is_moment = frames.size() == 6;
      frames.push_back(
          stereo(std::span(sound).subspan(at, count), is_moment ? of_right : 1, 44100));
    }
    return resample(frames);
  };
  EXPECT_LT(loudness(with_moment(-0.9F)), loudness(with_moment(-1.0F)));
}

TEST(Resampler, HearsOneChannelUpsideDownInWhatIsUnusual) {
  const double upright = loudness(resample(stereo(make_sound(44100), 1, 44100)));
  EXPECT_NEAR(loudness(resample(stereo(make_sound(44101), -1, 44101))), upright, 0.1 * upright);

  const std::vector<float> sound = make_sound(44100);
  auto doubles = make_frame(AV_SAMPLE_FMT_DBLP, 2, 44100, sound.size());
  auto three = make_frame(AV_SAMPLE_FMT_FLTP, 3, 44100, sound.size());
  av_channel_layout_uninit(&three->ch_layout);
  three->ch_layout = AV_CHANNEL_LAYOUT_SURROUND;
  for (size_t i = 0; i < sound.size(); ++i) {
    reinterpret_cast<double**>(doubles->extended_data)[0][i] = sound[i];
    reinterpret_cast<double**>(doubles->extended_data)[1][i] = -sound[i];
    reinterpret_cast<float**>(three->extended_data)[0][i] = sound[i];
    reinterpret_cast<float**>(three->extended_data)[1][i] = -sound[i];
    reinterpret_cast<float**>(three->extended_data)[2][i] = 0;
  }
  EXPECT_NEAR(loudness(resample(std::move(doubles))), upright, 0.1 * upright);
  EXPECT_GT(loudness(resample(std::move(three))), 0.3 * upright);  // three are mixed more quietly
}

TEST(Resampler, HearsOneChannelUpsideDownInTheShortestFrames) {
  constexpr size_t kShort = 15;
  const std::vector<float> sound = make_sound(44100);
  std::vector<LibavPtr<AVFrame>> frames;
  for (size_t at = 0; at < sound.size(); at += kShort) {
    frames.push_back(
        stereo(std::span(sound).subspan(at, std::min(kShort, sound.size() - at)), -1, 44100));
  }
  expect_near(resample(frames), resample(stereo(sound, 1, 44100)));
}

TEST(Resampler, HearsMonoBehindAChannelUpsideDown) {
  const std::vector<float> sound = make_sound(44100);
  std::vector<LibavPtr<AVFrame>> frames;
  frames.push_back(stereo(sound, -1, 44100));
  frames.push_back(make_frame(AV_SAMPLE_FMT_FLT, 1, 44100, sound.size()));
  std::ranges::copy(sound, reinterpret_cast<float*>(frames.back()->data[0]));
  const Samples both = resample(frames);
  const Samples upright = resample(stereo(sound, 1, 44100));
  expect_near({both.begin() + static_cast<ptrdiff_t>(upright.size()), both.end()}, upright);
}

TEST(Resampler, RecoversFromWhatIsNoNumber) {
  std::vector<float> sound = make_sound(44100);
  sound[5000] = std::numeric_limits<float>::quiet_NaN();
  sound[9000] = std::numeric_limits<float>::infinity();
  std::vector<LibavPtr<AVFrame>> frames;
  frames.push_back(stereo(sound, -1, 44100));
  frames.push_back(stereo(make_sound(44100), -1, 44100));
  const Samples both = resample(frames);
  const Samples upright = resample(stereo(make_sound(44100), 1, 44100));
  const auto power = [](std::span<const int16_t> samples) {
    double sum = 0;
    for (const int16_t sample : samples) sum += sample * sample;
    return sum;
  };
  EXPECT_NEAR(power(std::span(both).last(kSampleRateHz / 2)),
              power(std::span(upright).last(kSampleRateHz / 2)), 0.01 * power(upright));
}

// What goes beyond full scale may be within it once it is filtered.
TEST(Resampler, HasHeadroom) {
  constexpr double kTooHighToHearHz = 15000;
  std::vector<float> sound = make_sound(44100);
  const Samples clean = resample(stereo(sound, 1, 44100));
  for (size_t i = 0; i < sound.size(); ++i) {
    const double phase = 2 * std::numbers::pi * kTooHighToHearHz * static_cast<double>(i) / 44100;
    sound[i] += static_cast<float>(std::sin(phase));
  }
  const Samples loud = resample(stereo(sound, 1, 44100));
  for (size_t i = 100; i + 100 < loud.size(); ++i) ASSERT_NEAR(loud[i], clean[i], 6);
}

}  // namespace
}  // namespace soundgate::decode
