// Audio for tests: music of a sort (chords that change, a melody, noise), the same on every run,
// and encoded by ffmpeg into any format.
#pragma once

#include <filesystem>
#include <string>

#include "tests/fingerprint/pool_recorder.h"

namespace soundgate::test {

// A folder that is gone with the test program.
const std::filesystem::path& scratch_folder();

// A 16-bit stereo WAV at 44.1 kHz. Different seeds are different pieces.
std::filesystem::path make_music(double seconds, unsigned seed);

// A file called name, through `ffmpeg arguments name`. Made once a run.
std::filesystem::path run_ffmpeg(const std::string& arguments, const std::string& name);

// source → a file called name, through `ffmpeg -i source arguments name`. Made once a run.
std::filesystem::path encode(const std::filesystem::path& source, const std::string& arguments,
                             const std::string& name);

// Real music below the folder that SOUNDGATE_CORPUS names, in a fixed order. Throws where there is
// none.
std::vector<std::filesystem::path> corpus_tracks();

// What `fpcalc -raw -length 0` says of it.
std::vector<Item> run_fpcalc(const std::filesystem::path& file);

// Bits that differ over the items that both have, as a share.
double differing_bits(const std::vector<Item>& a, const std::vector<Item>& b);

}  // namespace soundgate::test
