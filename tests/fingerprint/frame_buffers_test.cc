// Buffers of frames are used again, and no stream keeps much memory in them, whatever its frames.
#include "fingerprint/decode/worker/frame_buffers.h"

#include <gtest/gtest.h>

namespace soundgate::decode {
namespace {

constexpr int kChannels = 2;
constexpr size_t kSampleBytes = 2 * kChannels;
constexpr int kMebibyte = (1 << 20) / static_cast<int>(kSampleBytes);  // in samples

class FrameBuffersTest : public testing::Test {
 protected:
  FrameBuffersTest() {
    const AVCodec* codec = avcodec_find_decoder(AV_CODEC_ID_PCM_S16LE);
    decoder_.reset(avcodec_alloc_context3(codec));
    decoder_->sample_rate = 44'100;
    decoder_->thread_count = 1;
    av_channel_layout_default(&decoder_->ch_layout, kChannels);
    buffers_.serve(*decoder_);
    EXPECT_EQ(avcodec_open2(decoder_.get(), codec, nullptr), 0);
  }

  LibavPtr<AVFrame> frame(int samples, int channels = kChannels) {
    LibavPtr<AVFrame> frame(av_frame_alloc());
    frame->nb_samples = samples;
    frame->format = AV_SAMPLE_FMT_S16;
    av_channel_layout_default(&frame->ch_layout, channels);
    EXPECT_EQ(decoder_->get_buffer2(decoder_.get(), frame.get(), 0), 0) << samples;
    EXPECT_NE(frame->data[0], nullptr);
    EXPECT_GE(frame->buf[0]->size, static_cast<size_t>(samples) * kSampleBytes);
    return frame;
  }
  size_t bytes_of_buffer(int samples) { return frame(samples)->buf[0]->size; }

  FrameBuffers buffers_;  // it outlives the decoder
  LibavPtr<AVCodecContext> decoder_;
};

TEST_F(FrameBuffersTest, ShorterFramesUseTheSameMemory) {
  const uint8_t* first = frame(2048)->data[0];
  EXPECT_EQ(frame(2048)->data[0], first);
  EXPECT_EQ(frame(256)->data[0], first);
  EXPECT_EQ(frame(1)->data[0], first);
}

TEST_F(FrameBuffersTest, TwoFramesAtATimeHaveTheirOwn) {
  const auto one = frame(1024), other = frame(1024);
  EXPECT_NE(one->data[0], other->data[0]);
}

TEST_F(FrameBuffersTest, TakeTwiceAsMuchAsTheLongestFrameAtMost) {
  for (const int samples : {100, 5000, 70'000, kMebibyte, 3 * kMebibyte}) {
    EXPECT_LT(bytes_of_buffer(samples), 2 * static_cast<size_t>(samples) * kSampleBytes);
  }
}

// One frame of a crafted file may last for hours: no later one has to have a buffer like it.
TEST_F(FrameBuffersTest, AHugeFrameIsNotKept) {
  const size_t usual = bytes_of_buffer(2048);
  for (const int huge : {5 * kMebibyte, 60 * kMebibyte}) {
    EXPECT_GT(bytes_of_buffer(huge), size_t{4} << 20);
    EXPECT_EQ(bytes_of_buffer(2048), usual);
  }
  EXPECT_LE(bytes_of_buffer(4 * kMebibyte - 64), size_t{4} << 20);  // the longest that is
}

// What a decoder leaves out must not be what another stream has left.
TEST_F(FrameBuffersTest, AreSilenceBeforeTheirFirstUse) {
  const auto fresh = frame(4096);
  for (size_t i = 0; i < 4096 * kSampleBytes; ++i) ASSERT_EQ(fresh->data[0][i], 0) << i;
}

}  // namespace
}  // namespace soundgate::decode
