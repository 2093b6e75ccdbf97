// The headers that a decoder of Vorbis needs, without the one between them that holds titles and
// pictures.
// Input: extradata as libavformat has it: three headers, with their lengths in front, as Xiph laces
//   them, or each with its own.
// Output: parts of it; all of it, where it is nothing of that kind.
// Source: Vorbis I, section 4.2; libavcodec's avpriv_split_xiph_headers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace soundgate::decode {

using VorbisSetup = std::vector<std::span<const uint8_t>>;

VorbisSetup vorbis_setup(std::span<const uint8_t> extradata);

}  // namespace soundgate::decode
