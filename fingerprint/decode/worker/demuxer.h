// Takes a stream apart into the packets of its best audio track.
// Input: StreamIo.  Output: AVPackets.
// Errors: DecodeOutcome from open(); libav's codes from next_packet().
// Thread: the stream's fiber.  What a name or Content-Type says is not looked at; the bytes are.
#pragma once

#include <string>
#include <tl/expected.hpp>

#include "fingerprint/decode/worker/libav_ptr.h"
#include "fingerprint/decode/worker/stream_io.h"

namespace soundgate::decode {

class Demuxer {
 public:
  explicit Demuxer(StreamIo& io) : io_(io) {}

  // Errors: not_audio, undecodable, and whatever stopped the stream.
  tl::expected<void, DecodeOutcome> open();
  // 0, AVERROR_EOF, or another error.
  int next_packet(AVPacket& packet);

  // Whether packets say where they lie, or are merely counted.
  bool has_timestamps() const;

  const AVStream& track() const { return *context_->streams[track_]; }
  const std::string& format() const { return format_; }  // empty: not recognised
  double promised_seconds() const;                       // by the headers; 0: they do not say

 private:
  bool skip_tags();
  const AVInputFormat* recognise();
  tl::expected<void, DecodeOutcome> open_as(const AVInputFormat& format);
  tl::expected<void, DecodeOutcome> choose_track();
  const AVStream* best_track() const;
  const AVStream* await_track();
  bool has_negative_track() const;
  bool lies_in_order() const;

  StreamIo& io_;
  LibavPtr<AVFormatContext> context_;
  LibavPtr<AVPacket> first_packet_;  // of the track, where it had to be read to find that
  int track_ = -1;
  std::string format_;
};

}  // namespace soundgate::decode
