#include "fingerprint/decode/worker/packet_digester.h"

#include <algorithm>

#include "fingerprint/decode/worker/vorbis_setup.h"

namespace soundgate::decode {
namespace {

// What a player shows.
bool is_title(AVPacketSideDataType type) {
  return type == AV_PKT_DATA_METADATA_UPDATE || type == AV_PKT_DATA_STRINGS_METADATA ||
         type == AV_PKT_DATA_REPLAYGAIN;
}

// Whose decoders ask for nothing but their setup: containers say what they like of the rest.
bool is_self_contained(AVCodecID codec) {
  return codec == AV_CODEC_ID_AAC || codec == AV_CODEC_ID_MP3 || codec == AV_CODEC_ID_OPUS ||
         codec == AV_CODEC_ID_VORBIS;
}

// Elsewhere it is no more than what somebody reckons from the size of the file.
bool needs_bit_rate(AVCodecID codec) {
  return codec == AV_CODEC_ID_WMAV1 || codec == AV_CODEC_ID_WMAV2;
}

}  // namespace

void PacketDigester::describe_number(int64_t number) {
  digester_.describe(std::as_bytes(std::span(&number, 1)));
}

void PacketDigester::describe_setup(std::span<const uint8_t> extradata) {
  for (const auto part : is_vorbis_ ? vorbis_setup(extradata) : VorbisSetup{extradata}) {
    describe_number(std::ssize(part));
    describe(part);
  }
}

// All that avcodec_parameters_to_context hands on to a decoder of audio.
void PacketDigester::begin(const AVCodecParameters& track, std::string_view format) {
  is_vorbis_ = track.codec_id == AV_CODEC_ID_VORBIS;
  const AVChannelLayout& layout = track.ch_layout;
  const bool has_mask = layout.order == AV_CHANNEL_ORDER_NATIVE;
  const bool is_self = is_self_contained(track.codec_id);
  for (const int64_t number :
       {int64_t{track.codec_id}, is_self ? 0 : int64_t{track.codec_tag}, int64_t{track.format},
        int64_t{track.sample_rate}, int64_t{layout.order}, int64_t{layout.nb_channels},
        static_cast<int64_t>(has_mask ? layout.u.mask : 0),
        needs_bit_rate(track.codec_id) ? track.bit_rate : 0,
        is_self ? 0 : int64_t{track.bits_per_coded_sample}, int64_t{track.bits_per_raw_sample},
        int64_t{track.profile}, int64_t{track.level}, int64_t{track.block_align},
        int64_t{track.frame_size}, int64_t{track.initial_padding}, int64_t{track.trailing_padding},
        int64_t{track.seek_preroll},
        int64_t{format == "mp3"}}) {  // where what is no frame may be a tag
    describe_number(number);
  }
  describe_setup({track.extradata, static_cast<size_t>(std::max(track.extradata_size, 0))});
}

void PacketDigester::add(const AVPacket& packet, const OnCheckpoint& on_checkpoint) {
  describe_number(packet.size);
  describe_number(packet.flags & (AV_PKT_FLAG_DISCARD | AV_PKT_FLAG_CORRUPT));
  for (const AVPacketSideData& side :
       std::span(packet.side_data, static_cast<size_t>(packet.side_data_elems))) {
    if (is_title(side.type)) continue;
    describe_number(side.type);
    const std::span data(side.data, side.size);
    if (side.type == AV_PKT_DATA_NEW_EXTRADATA) {
      describe_setup(data);
    } else {
      describe_number(std::ssize(data));
      describe(data);
    }
  }
  auto payload = std::as_bytes(std::span(packet.data, static_cast<size_t>(packet.size)));
  while (!payload.empty()) {
    const size_t count = std::min<uint64_t>(payload.size(), digester_.bytes_to_checkpoint());
    if (const auto digest = digester_.update(payload.first(count))) {
      on_checkpoint(checkpoint_++, *digest);
    }
    payload = payload.subspan(count);
  }
}

}  // namespace soundgate::decode
