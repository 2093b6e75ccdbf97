// Every format that is decoded, each as a file of real music that ffmpeg makes.
// Input: tracks below SOUNDGATE_CORPUS.  Output: files in the scratch folder, made once a run.
// Errors: exceptions, where there is no track or no ffmpeg.
#pragma once

#include <filesystem>
#include <ostream>
#include <span>
#include <string>

#include "tests/fingerprint/test_audio.h"

namespace soundgate::test {

struct FormatRow {
  // As the table in fingerprint/README.md has them.
  const char* format;
  const char* container;  // as libavformat names it
  const char* codec;      // as libavcodec does
  const char* streams;    // kStreams, or what it waits for
  double differing_percent;

  enum class Source { kMusic, kFilm, kPictured, kTwoTracks, kChaptered, kCommented };
  enum class Edit { kNone, kTagInFront, kTagsBehind, kCutInFront };
  const char* file;                   // its name, which says to ffmpeg what it is
  const char* arguments;              // of ffmpeg
  Source source = Source::kMusic;     // what is encoded
  size_t front_bytes = 0;             // of the file, in front of its audio
  Edit edit = Edit::kNone;            // of what ffmpeg made
  const char* second_part = nullptr;  // arguments for other music, put behind the first
  bool is_compared_as_wav = false;    // fpcalc itself does not read all of it
  bool needs_size = false;            // or else the padding of its parts is understood otherwise
};
void PrintTo(const FormatRow& row, std::ostream* out);

inline constexpr const char* kStreams = "yes";
inline constexpr double kFormatSeconds = 30;
inline constexpr double kSecondPartShare = 2. / 3;

std::span<const FormatRow> format_table();
// Of so many seconds; a second part is two thirds as long. One length in a run.
std::filesystem::path format_file(const FormatRow& row, double seconds = kFormatSeconds);

}  // namespace soundgate::test
