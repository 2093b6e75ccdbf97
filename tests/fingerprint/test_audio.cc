#include "tests/fingerprint/test_audio.h"

#include <stdlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <numbers>
#include <random>
#include <sstream>
#include <stdexcept>

namespace soundgate::test {
namespace {

constexpr int kRate = 44100;
constexpr double kChordSeconds = 0.7;

struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "soundgate-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

void put(std::ofstream& file, uint32_t value, int bytes) {
  file.write(reinterpret_cast<const char*>(&value), bytes);
}

void put_wav_header(std::ofstream& file, uint32_t data_bytes) {
  file.write("RIFF", 4);
  put(file, 36 + data_bytes, 4);
  file.write("WAVEfmt ", 8);
  put(file, 16, 4);
  put(file, 1, 2);  // PCM
  put(file, 2, 2);  // channels
  put(file, kRate, 4);
  put(file, kRate * 4, 4);  // bytes a second
  put(file, 4, 2);          // bytes a frame
  put(file, 16, 2);         // bits a sample
  file.write("data", 4);
  put(file, data_bytes, 4);
}

int16_t to_sample(double value) {
  return static_cast<int16_t>(std::lround(std::clamp(value, -1.0, 1.0) * 32000));
}

struct Chord {
  std::array<double, 5> hz;

  explicit Chord(std::mt19937& random) {
    for (double& tone : hz) {
      const auto semitone = static_cast<double>(random() % 36);
      tone = 110.0 * std::exp2(semitone / 12);
    }
  }
  double at(double time, size_t first) const {
    double sum = 0;
    for (size_t i = first; i < hz.size(); ++i) {
      sum += std::sin(2 * std::numbers::pi * hz[i] * time) / static_cast<double>(i + 2);
    }
    return sum;
  }
};

std::string output_of(const std::string& command) {
  const auto close = [](FILE* pipe) { ::pclose(pipe); };
  const std::unique_ptr<FILE, decltype(close)> pipe(::popen(command.c_str(), "r"), close);
  std::string output;
  std::array<char, 65536> part;
  while (const size_t count = std::fread(part.data(), 1, part.size(), pipe.get())) {
    output.append(part.data(), count);
  }
  return output;
}

}  // namespace

const std::filesystem::path& scratch_folder() {
  static const Folder folder;
  return folder.path;
}

std::filesystem::path make_music(double seconds, unsigned seed) {
  const auto path = scratch_folder() / ("music-" + std::to_string(seed) + "-" +
                                        std::to_string(static_cast<int>(seconds)) + ".wav");
  if (std::filesystem::exists(path)) return path;
  const auto frames = static_cast<uint32_t>(seconds * kRate);
  std::ofstream file(path, std::ios::binary);
  put_wav_header(file, frames * 4);
  std::mt19937 random(seed);
  Chord chord(random);
  const auto chord_frames = static_cast<uint32_t>(kChordSeconds * kRate);
  for (uint32_t i = 0; i < frames; ++i) {
    if (i % chord_frames == 0) chord = Chord(random);
    const double time = i / static_cast<double>(kRate);
    const double noise = 0.02 * (static_cast<double>(random() % 2000) / 1000 - 1);
    put(file, static_cast<uint16_t>(to_sample(0.4 * chord.at(time, 0) + noise)), 2);
    put(file, static_cast<uint16_t>(to_sample(0.5 * chord.at(time, 1) - noise)), 2);
  }
  return path;
}

std::filesystem::path run_ffmpeg(const std::string& arguments, const std::string& name) {
  const auto path = scratch_folder() / name;
  if (std::filesystem::exists(path)) return path;
  const std::string command =
      "ffmpeg -nostdin -v error -y " + arguments + " '" + path.string() + "'";
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
  return path;
}

std::filesystem::path encode(const std::filesystem::path& source, const std::string& arguments,
                             const std::string& name) {
  return run_ffmpeg("-i '" + source.string() + "' -map 0:a -threads 1 " + arguments,
                    source.stem().string() + "-" + name);
}

std::vector<std::filesystem::path> corpus_tracks() {
  const char* folder = std::getenv("SOUNDGATE_CORPUS");
  if (!folder) throw std::runtime_error("SOUNDGATE_CORPUS names no folder of real music");
  std::vector<std::filesystem::path> tracks;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    // Long enough to be music, short enough for a test.
    const bool suits = entry.path().extension() == ".ogg" && entry.file_size() > (512u << 10) &&
                       entry.file_size() < (3u << 20);
    if (suits) tracks.push_back(entry.path());
  }
  if (tracks.empty()) throw std::runtime_error(std::string("no .ogg that suits in ") + folder);
  std::ranges::sort(tracks);
  return tracks;
}

std::vector<Item> run_fpcalc(const std::filesystem::path& file) {
  // It complains about the end of every file, and exits accordingly.
  std::istringstream output(
      output_of("fpcalc -raw -length 0 -plain '" + file.string() + "' 2>/dev/null"));
  std::vector<Item> items;
  for (std::string item; std::getline(output, item, ',');) {
    items.push_back(static_cast<Item>(std::stoul(item)));
  }
  return items;
}

double differing_bits(const std::vector<Item>& a, const std::vector<Item>& b) {
  const size_t count = std::min(a.size(), b.size());
  if (count == 0) return 1;
  int bits = 0;
  for (size_t i = 0; i < count; ++i) bits += std::popcount(a[i] ^ b[i]);
  return bits / (32.0 * static_cast<double>(count));
}

}  // namespace soundgate::test
