// Our items are fpcalc's, within 0.1 % of the bits, on every format: on music we make, and on real
// music where SOUNDGATE_CORPUS names a folder of it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/fingerprint/one_worker.h"
#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {
namespace {

constexpr double kDifferingBitsMax = 0.001;
constexpr size_t kItemCountTolerance = 2;
constexpr size_t kRealTracks = 2;
constexpr const char* kRealExcerpt = "-ss 20 -t 30 ";

struct Format {
  const char* name;  // of the file
  const char* arguments;
};

constexpr Format kFormats[] = {
    {"128k.mp3", "-c:a libmp3lame -b:a 128k"},
    {"vbr.mp3", "-c:a libmp3lame -q:a 4 -ar 48000"},
    {"mono22.mp3", "-c:a libmp3lame -b:a 32k -ac 1 -ar 22050"},
    {"adts.aac", "-c:a aac -b:a 128k"},
    {"mono32.aac", "-c:a aac -b:a 64k -ac 1 -ar 32000"},
    {"first.m4a", "-c:a aac -movflags +faststart"},
    {"last.m4a", "-c:a aac"},
    {"48k-5.1.m4a", "-c:a aac -ar 48000 -ac 6"},
    {"fragments.m4a", "-c:a aac -movflags frag_keyframe+empty_moov -frag_duration 1000000"},
    {"lossless.m4a", "-c:a alac"},
    {"16.flac", "-c:a flac"},
    {"24-96k.flac", "-c:a flac -sample_fmt s32 -ar 96000"},
    {"16.wav", "-c:a pcm_s16le"},
    {"24-48k.wav", "-c:a pcm_s24le -ar 48000"},
    {"mono11.wav", "-c:a pcm_s16le -ac 1 -ar 11025"},
    {"16.aiff", "-c:a pcm_s16be"},
    {"vorbis.ogg", "-c:a libvorbis -q:a 4"},
    {"mono32.ogg", "-c:a libvorbis -ac 1 -ar 32000"},
    {"96k.opus", "-c:a libopus -b:a 96k"},
    {"mono24k.opus", "-c:a libopus -b:a 24k -ac 1"},
    {"opus.webm", "-c:a libopus -b:a 96k"},
};

void PrintTo(const Format& format, std::ostream* out) { *out << format.name; }

class Fpcalc : public OneWorker {
 protected:
  static void expect_same_items(const std::filesystem::path& file) {
    const std::vector<Item> theirs = run_fpcalc(file);
    ASSERT_FALSE(theirs.empty()) << "fpcalc made nothing of " << file;
    const auto ours = decode(*pool_, recorder_, read_file(file));
    ASSERT_TRUE(ours);
    EXPECT_EQ(ours->end.outcome, DecodeOutcome::decoded) << name(ours->end.outcome);
    EXPECT_FALSE(ours->has_gap);
    EXPECT_NEAR(static_cast<double>(ours->items.size()), static_cast<double>(theirs.size()),
                kItemCountTolerance);
    EXPECT_LE(differing_bits(ours->items, theirs), kDifferingBitsMax);
  }
};

class FpcalcFormats : public Fpcalc, public testing::WithParamInterface<Format> {};

TEST_P(FpcalcFormats, AgreesOnMadeMusic) {
  expect_same_items(encode(make_music(30, 1), GetParam().arguments, GetParam().name));
}

TEST_P(FpcalcFormats, AgreesOnRealMusic) {
  const std::vector<std::filesystem::path> tracks = corpus_tracks();
  // A few that lie far apart: neighbours come from one package.
  for (size_t i = 0; i < kRealTracks; ++i) {
    const auto& track = tracks[i * tracks.size() / kRealTracks];
    SCOPED_TRACE(track);
    const std::string arguments = std::string(kRealExcerpt) + GetParam().arguments;
    expect_same_items(encode(track, arguments, GetParam().name));
  }
}

TEST_F(Fpcalc, AgreesOnWholeRealTracks) {
  const std::vector<std::filesystem::path> tracks = corpus_tracks();
  for (size_t i = 0; i < kRealTracks; ++i) {
    expect_same_items(tracks[i * tracks.size() / kRealTracks]);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, FpcalcFormats, testing::ValuesIn(kFormats));

}  // namespace
}  // namespace soundgate::test
