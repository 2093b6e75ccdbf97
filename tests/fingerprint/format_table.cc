#include "tests/fingerprint/format_table.h"

#include <algorithm>
#include <fstream>
#include <random>

namespace soundgate::test {
namespace {

constexpr size_t kPictureBytes = size_t{3} << 20;   // more than recognition looks at
constexpr size_t kTracks = 6;                       // that the rows share between them
constexpr size_t kTrackBytesMin = size_t{1} << 20;  // long enough for an excerpt
// Percent of bits. Our resampler rounds otherwise than fpcalc's; where a rate changes, ffmpeg
// resamples twice.
constexpr double kAlike = .05;
constexpr double kResampledTwice = .25;
constexpr const char* kIndexLast = "at its end: the index (`moov`) comes last";

using Source = FormatRow::Source;
using Edit = FormatRow::Edit;

// clang-format off
constexpr FormatRow kTable[] = {
    {"MP3", "mp3", "mp3", kStreams, kAlike, "128k.mp3", "-c:a libmp3lame -b:a 128k"},
    {"MP3, VBR", "mp3", "mp3", kStreams, kAlike, "vbr.mp3", "-c:a libmp3lame -q:a 4 -ar 48000"},
    {"MP3, VBR without a Xing header", "mp3", "mp3", kStreams, kAlike, "no-xing.mp3",
     "-c:a libmp3lame -q:a 4 -write_xing 0 -id3v2_version 0"},
    {"MP3, mono, 8 kHz", "mp3", "mp3", kStreams, kAlike, "8k.mp3", "-c:a libmp3lame -b:a 16k -ac 1 -ar 8000"},
    {"MP3, a picture of 3 MiB in its ID3v2 tag", "mp3", "mp3", kStreams, kAlike, "picture.mp3",
     "-c:a libmp3lame -b:a 128k -map 0:v -c:v copy", Source::kPictured, kPictureBytes},
    {"MP3, APE and ID3v1 tags behind it", "mp3", "mp3", kStreams, kAlike, "tagged.mp3",
     "-c:a libmp3lame", Source::kMusic, 0, Edit::kTagsBehind},
    {"MP3, two files joined, each with tags", "mp3", "mp3", kStreams, kAlike, "joined.mp3",
     "-c:a libmp3lame -b:a 128k", Source::kMusic, 0, Edit::kTagsBehind, "-c:a libmp3lame -b:a 128k", true, true},
    {"MP3, joined, 44.1 kHz stereo to 22.05 kHz mono", "mp3", "mp3", kStreams, kResampledTwice, "changed.mp3",
     "-c:a libmp3lame", Source::kMusic, 0, Edit::kNone, "-c:a libmp3lame -ar 22050 -ac 1", true, true},
    {"MP2", "mp3", "mp3", kStreams, kAlike, "a.mp2", "-c:a mp2 -b:a 192k -ar 48000"},

    {"AAC (ADTS)", "aac", "aac", kStreams, kAlike, "128k.aac", "-c:a aac -b:a 128k"},
    {"AAC (ADTS), mono, 8 kHz", "aac", "aac", kStreams, kAlike, "8k.aac", "-c:a aac -b:a 24k -ac 1 -ar 8000"},
    {"AAC (ADTS), 5.1, 96 kHz", "aac", "aac", kStreams, kAlike, "5.1.aac", "-c:a aac -ac 6 -ar 96000"},
    {"AAC (ADTS), behind an ID3v2 tag of 3 MiB", "aac", "aac", kStreams, kAlike, "tag.aac", "-c:a aac",
     Source::kMusic, kPictureBytes, Edit::kTagInFront},
    {"AAC (ADTS), joined, 44.1 kHz stereo to 22.05 kHz mono", "aac", "aac", kStreams, kResampledTwice, "changed.aac",
     "-c:a aac", Source::kMusic, 0, Edit::kNone, "-c:a aac -ar 22050 -ac 1", true},

    {"M4A, index first", "mov", "aac", kStreams, kAlike, "first.m4a", "-c:a aac -movflags +faststart"},
    {"M4A, index last", "mov", "aac", kIndexLast, kAlike, "last.m4a", "-c:a aac"},
    {"M4A, 7.1, 48 kHz", "mov", "aac", kStreams, kAlike, "7.1.m4a", "-c:a aac -ac 8 -ar 48000 -movflags +faststart"},
    {"M4A, a picture of 3 MiB, index first", "mov", "aac", kStreams, kAlike, "picture.m4a",
     "-c:a aac -map 0:v -c:v copy -disposition:v attached_pic -movflags +faststart", Source::kPictured, kPictureBytes},
    {"M4A with chapters (M4B), index first", "mov", "aac", kStreams, kAlike, "chapters.m4a",
     "-c:a aac -movflags +faststart", Source::kChaptered},
    {"M4A, fragmented", "mov", "aac", kStreams, kAlike, "fragments.m4a",
     "-c:a aac -movflags frag_keyframe+empty_moov -frag_duration 1000000"},
    {"M4A, fragmented (CMAF), an index of segments in front", "mov", "aac", kStreams, kAlike, "segments.m4a",
     "-c:a aac -movflags cmaf+global_sidx -frag_duration 1000000"},
    {"ALAC, index first", "mov", "alac", kStreams, kAlike, "first-alac.m4a", "-c:a alac -movflags +faststart"},
    {"ALAC, 24 bit, 96 kHz, index last", "mov", "alac", kIndexLast, kAlike, "24.m4a", "-c:a alac -sample_fmt s32p -ar 96000"},
    {"MP3 in MP4", "mov", "mp3", kStreams, kAlike, "mp3.mp4", "-c:a libmp3lame -movflags +faststart"},
    {"FLAC in MP4", "mov", "flac", kStreams, kAlike, "flac.mp4", "-c:a flac -strict -2 -movflags +faststart"},
    {"Opus in MP4", "mov", "opus", kStreams, kAlike, "opus.mp4", "-c:a libopus -strict -2 -movflags +faststart"},
    {"MP4 video, index first", "mov", "aac", kStreams, kAlike, "film-first.mp4",
     "-map 0:v -c:v copy -c:a aac -movflags +faststart", Source::kFilm},
    {"MP4 video, index last", "mov", "aac", kIndexLast, kAlike, "film-last.mp4", "-map 0:v -c:v copy -c:a aac", Source::kFilm},
    {"MP4 video, fragmented", "mov", "aac", kStreams, kAlike, "film-fragments.mp4",
     "-map 0:v -c:v copy -c:a aac -movflags frag_keyframe+empty_moov -frag_duration 1000000", Source::kFilm},
    {"MP4 video, AC-3", "mov", "ac3", kStreams, kAlike, "film-ac3.mp4",
     "-map 0:v -c:v copy -c:a ac3 -ac 6 -movflags +faststart", Source::kFilm},
    {"MP4 video, E-AC-3", "mov", "eac3", kStreams, kAlike, "film-eac3.mp4",
     "-map 0:v -c:v copy -c:a eac3 -movflags +faststart", Source::kFilm},
    {"QuickTime video with time codes, PCM", "mov", "pcm_s16le", kStreams, kAlike, "film.mov",
     "-map 0:v -c:v copy -c:a pcm_s16le -timecode 01:00:00:00 -movflags +faststart", Source::kFilm},

    {"FLAC", "flac", "flac", kStreams, kAlike, "16.flac", "-c:a flac"},
    {"FLAC, mono, 8 kHz", "flac", "flac", kStreams, kAlike, "8k.flac", "-c:a flac -ac 1 -ar 8000"},
    {"FLAC, 24 bit, 192 kHz", "flac", "flac", kStreams, kAlike, "192k.flac", "-c:a flac -sample_fmt s32 -ar 192000"},
    {"FLAC, 7.1", "flac", "flac", kStreams, kAlike, "7.1.flac", "-c:a flac -ac 8"},
    {"FLAC, a picture of 3 MiB", "flac", "flac", kStreams, kAlike, "picture.flac",
     "-c:a flac -map 0:v -c:v copy -disposition:v attached_pic", Source::kPictured, kPictureBytes},
    {"FLAC, behind an ID3v2 tag of 3 MiB", "flac", "flac", kStreams, kAlike, "tag.flac", "-c:a flac",
     Source::kMusic, kPictureBytes, Edit::kTagInFront},

    {"WAV", "wav", "pcm_s16le", kStreams, kAlike, "16.wav", "-c:a pcm_s16le"},
    {"WAV, 8 bit, mono, 8 kHz", "wav", "pcm_u8", kStreams, kAlike, "8.wav", "-c:a pcm_u8 -ac 1 -ar 8000"},
    {"WAV, extensible header, 24 bit, 192 kHz", "wav", "pcm_s24le", kStreams, kAlike, "24.wav", "-c:a pcm_s24le -ar 192000"},
    {"WAV, 32 bit", "wav", "pcm_s32le", kStreams, kAlike, "32.wav", "-c:a pcm_s32le"},
    {"WAV, float", "wav", "pcm_f32le", kStreams, kAlike, "float.wav", "-c:a pcm_f32le"},
    {"WAV, double", "wav", "pcm_f64le", kStreams, kAlike, "double.wav", "-c:a pcm_f64le"},
    {"WAV, A-law", "wav", "pcm_alaw", kStreams, kAlike, "alaw.wav", "-c:a pcm_alaw -ac 1 -ar 8000"},
    {"WAV, µ-law", "wav", "pcm_mulaw", kStreams, kAlike, "mulaw.wav", "-c:a pcm_mulaw -ac 1 -ar 8000"},
    {"WAV, 7.1", "wav", "pcm_s16le", kStreams, kAlike, "7.1.wav", "-c:a pcm_s16le -ac 8"},
    {"WAV, RF64", "wav", "pcm_s16le", kStreams, kAlike, "rf64.wav", "-c:a pcm_s16le -rf64 always"},
    {"WAV through a pipe, without sizes", "wav", "pcm_s16le", kStreams, kAlike, "pipe.wav", "-c:a pcm_s16le -f wav pipe: >"},
    {"MP3 in WAV", "wav", "mp3", kStreams, kAlike, "mp3.wav", "-c:a libmp3lame"},
    {"AIFF", "aiff", "pcm_s16be", kStreams, kAlike, "16.aiff", "-c:a pcm_s16be"},
    {"AIFF, 24 bit, a picture of 3 MiB", "aiff", "pcm_s24be", kStreams, kAlike, "24.aiff",
     "-c:a pcm_s24be -map 0:v -c:v copy -disposition:v attached_pic -write_id3v2 1", Source::kPictured},
    {"AIFF-C, little-endian", "aiff", "pcm_s16le", kStreams, kAlike, "sowt.aiff", "-c:a pcm_s16le"},
    {"AIFF-C, float", "aiff", "pcm_f32be", kStreams, kAlike, "float.aiff", "-c:a pcm_f32be"},

    {"Ogg Vorbis", "ogg", "vorbis", kStreams, kAlike, "a.ogg", "-c:a libvorbis -q:a 4"},
    {"Ogg Vorbis, mono, 8 kHz", "ogg", "vorbis", kStreams, kAlike, "8k.ogg", "-c:a libvorbis -ac 1 -ar 8000"},
    {"Ogg Vorbis, 5.1, 192 kHz", "ogg", "vorbis", kStreams, kAlike, "5.1.ogg", "-c:a libvorbis -ac 6 -ar 192000"},
    {"Ogg Vorbis, chained", "ogg", "vorbis", kStreams, kAlike, "chained.ogg", "-c:a libvorbis",
     Source::kMusic, 0, Edit::kNone, "-c:a libvorbis -serial_offset 7"},
    {"Ogg Vorbis, chained, 44.1 kHz stereo to 32 kHz mono", "ogg", "vorbis", kStreams, kResampledTwice, "changed.ogg",
     "-c:a libvorbis", Source::kMusic, 0, Edit::kNone, "-c:a libvorbis -ac 1 -ar 32000 -serial_offset 7", true},
    {"Ogg video (Theora), Vorbis", "ogg", "vorbis", kStreams, kAlike, "film.ogv",
     "-map 0:v -c:v libtheora -c:a libvorbis", Source::kFilm},
    {"Opus", "ogg", "opus", kStreams, kAlike, "96k.opus", "-c:a libopus -b:a 96k"},
    {"Opus, mono, 24 kbit/s", "ogg", "opus", kStreams, kAlike, "24k.opus", "-c:a libopus -b:a 24k -ac 1"},
    {"Opus, 7.1", "ogg", "opus", kStreams, kAlike, "7.1.opus", "-c:a libopus -ac 8 -b:a 256k"},
    {"Opus, a comment (a picture) of 3 MiB", "ogg", "opus", kStreams, kAlike, "comment.opus", "-c:a libopus",
     Source::kCommented, kPictureBytes},
    {"Opus, chained, stereo to mono", "ogg", "opus", kStreams, kAlike, "changed.opus", "-c:a libopus",
     Source::kMusic, 0, Edit::kNone, "-c:a libopus -ac 1 -serial_offset 7"},
    {"Ogg FLAC", "ogg", "flac", kStreams, kAlike, "flac.ogg", "-c:a flac"},
    {"Ogg FLAC, chained", "ogg", "flac", kStreams, kAlike, "chained-flac.ogg", "-c:a flac",
     Source::kMusic, 0, Edit::kNone, "-c:a flac -serial_offset 7"},

    {"WebM, Opus", "matroska", "opus", kStreams, kAlike, "opus.webm", "-c:a libopus"},
    {"WebM, Vorbis", "matroska", "vorbis", kStreams, kAlike, "vorbis.webm", "-c:a libvorbis"},
    {"WebM as browsers record it, without sizes", "matroska", "opus", kStreams, kAlike, "live.webm", "-c:a libopus -live 1"},
    {"WebM video", "matroska", "opus", kStreams, kAlike, "film.webm",
     "-map 0:v -c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus", Source::kFilm},
    {"Matroska, PCM", "matroska", "pcm_s16le", kStreams, kAlike, "pcm.mka", "-c:a pcm_s16le"},
    {"Matroska, MP3", "matroska", "mp3", kStreams, kAlike, "mp3.mka", "-c:a libmp3lame"},
    {"Matroska, FLAC", "matroska", "flac", kStreams, kAlike, "flac.mka", "-c:a flac"},
    {"Matroska, ALAC", "matroska", "alac", kStreams, kAlike, "alac.mka", "-c:a alac"},
    {"Matroska, two tracks", "matroska", "aac", kStreams, kAlike, "two.mka", "-c:a:0 aac -c:a:1 libvorbis", Source::kTwoTracks},
    {"Matroska video", "matroska", "aac", kStreams, kAlike, "film.mkv", "-map 0:v -c:v copy -c:a aac", Source::kFilm},
    {"Matroska video, AC-3", "matroska", "ac3", kStreams, kAlike, "film-ac3.mkv", "-map 0:v -c:v copy -c:a ac3 -ac 6", Source::kFilm},

    {"WMA 2", "asf", "wmav2", kStreams, kAlike, "a.wma", "-c:a wmav2 -b:a 128k"},
    {"WMA 2, mono, 22.05 kHz", "asf", "wmav2", kStreams, kAlike, "mono.wma", "-c:a wmav2 -b:a 48k -ac 1 -ar 22050"},
    {"WMA 1", "asf", "wmav1", kStreams, kAlike, "1.wma", "-c:a wmav1 -b:a 128k"},
    {"WMA 2, a picture of 3 MiB", "asf", "wmav2", kStreams, kAlike, "picture.wma",
     "-c:a wmav2 -map 0:v -c:v copy -disposition:v attached_pic", Source::kPictured, kPictureBytes},
    {"Windows Media video", "asf", "wmav2", kStreams, kAlike, "film.wmv", "-map 0:v -c:v copy -c:a wmav2", Source::kFilm},

    {"MPEG-TS video", "mpegts", "aac", kStreams, kAlike, "film.ts", "-map 0:v -c:v copy -c:a aac", Source::kFilm},
    {"MPEG-TS video, cut at its beginning", "mpegts", "aac", kStreams, kAlike, "cut.ts",
     "-map 0:v -c:v copy -c:a aac", Source::kFilm, 0, Edit::kCutInFront},
    {"MPEG-TS video, AC-3", "mpegts", "ac3", kStreams, kAlike, "film-ac3.ts", "-map 0:v -c:v copy -c:a ac3", Source::kFilm},
    {"MPEG-TS, two programmes", "mpegts", "aac", kStreams, kAlike, "programmes.ts",
     "-c:a aac -b:a:0 192k -b:a:1 96k -program st=0 -program st=1", Source::kTwoTracks},
    {"MPEG-TS, MP2", "mpegts", "mp3", kStreams, kAlike, "mp2.ts", "-c:a mp2"},
    {"MPEG-TS, MP3", "mpegts", "mp3", kStreams, kAlike, "mp3.ts", "-c:a libmp3lame"},
    {"MPEG-TS, Opus", "mpegts", "opus", kStreams, kAlike, "opus.ts", "-c:a libopus"},
    {"MPEG-TS, AAC in LATM", "mpegts", "aac_latm", kStreams, kAlike, "latm.ts", "-c:a aac -mpegts_flags latm"},
    {"MPEG-TS as Blu-ray has it (M2TS)", "mpegts", "aac", kStreams, kAlike, "a.m2ts", "-c:a aac -mpegts_m2ts_mode 1"},
};
// clang-format on

std::vector<std::filesystem::path> long_tracks() {
  std::vector<std::filesystem::path> tracks = corpus_tracks();
  std::erase_if(tracks, [](const auto& track) { return file_size(track) < kTrackBytesMin; });
  return tracks;
}

std::filesystem::path music(const std::filesystem::path& track, double at_seconds, double seconds) {
  const std::string cut = "-ss " + std::to_string(at_seconds) + " -t " + std::to_string(seconds);
  return encode(track, cut + " -c:a pcm_s16le -ac 2 -ar 44100",
                std::to_string(static_cast<int>(at_seconds)) + ".wav");
}

std::filesystem::path chapters() {
  const auto path = scratch_folder() / "chapters.txt";
  std::ofstream file(path);
  file << ";FFMETADATA1\n";
  for (int i = 0; i < 3; ++i) {
    file << "[CHAPTER]\nTIMEBASE=1/1\nSTART=" << 10 * i << "\nEND=" << 10 * (i + 1)
         << "\ntitle=chapter\n";
  }
  return path;
}

std::filesystem::path comment() {
  const auto path = scratch_folder() / "comment.txt";
  std::ofstream(path) << ";FFMETADATA1\nMETADATA_BLOCK_PICTURE=" << std::string(kPictureBytes, 'A')
                      << '\n';
  return path;
}

// What a row is encoded of, with all that goes beside the music.
std::filesystem::path source_of(Source source, const std::filesystem::path& track,
                                const std::filesystem::path& other, double seconds) {
  const auto wav = music(track, 10, seconds);
  const std::string input = "-i '" + wav.string() + "' ";
  const auto named = [&](const char* name) { return wav.stem().string() + "-" + name; };
  switch (source) {
    case Source::kMusic:
      return wav;
    case Source::kFilm:
      return run_ffmpeg(input + "-f lavfi -i testsrc=s=320x240:r=25:d=" + std::to_string(seconds) +
                            " -map 0 -map 1 -c:a copy "
                            "-c:v libx264 -preset ultrafast",
                        named("film.mkv"));
    case Source::kPictured: {
      const auto picture =
          run_ffmpeg("-f lavfi -i color=gray:s=1200x900,noise=alls=100 -frames:v 1 -pix_fmt rgb24",
                     "picture.png");
      return run_ffmpeg(input + "-i '" + picture.string() +
                            "' -map 0 -map 1 -c:v copy -disposition:v attached_pic",
                        named("pictured.flac"));
    }
    case Source::kTwoTracks:
      return run_ffmpeg(
          input + "-i '" + music(other, 10, seconds).string() + "' -map 0 -map 1 -c copy",
          named("two.mka"));
    case Source::kChaptered:
      return run_ffmpeg(input + "-i '" + chapters().string() + "' -map_metadata 1 -c copy",
                        named("chapters.mka"));
    case Source::kCommented:
      return run_ffmpeg(input + "-i '" + comment().string() + "' -map_metadata 1 -c copy",
                        named("commented.mka"));
  }
  return wav;
}

std::string little_endian(uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i, value >>= 8) bytes += static_cast<char>(value);
  return bytes;
}

// Random, so that there is something in it that looks like the frames of MP3.
std::string id3v2_tag(size_t bytes) {
  std::string tag{"ID3\x03\0\0", 6};
  for (int shift = 21; shift >= 0; shift -= 7) tag += static_cast<char>(bytes >> shift & 0x7f);
  std::mt19937 random(1);
  for (size_t i = 0; i < bytes; ++i) tag += static_cast<char>(random());
  return tag;
}

std::string ape_tag() {
  const std::string item = little_endian(5) + little_endian(0) + std::string("Title\0Hello", 11);
  const auto frame = [&](uint32_t flags) {
    return "APETAGEX" + little_endian(2000) +
           little_endian(static_cast<uint32_t>(item.size() + 32)) + little_endian(1) +
           little_endian(flags) + std::string(8, '\0');
  };
  return frame(0xa0000000) + item + frame(0x80000000);
}

std::string edited(std::string bytes, Edit edit) {
  switch (edit) {
    case Edit::kNone:
      return bytes;
    case Edit::kTagInFront:
      return id3v2_tag(kPictureBytes) + bytes;
    case Edit::kTagsBehind:
      return bytes + ape_tag() + "TAG" + std::string(125, '\0');
    case Edit::kCutInFront:
      return bytes.substr(10'007);
  }
  return bytes;
}

std::string content_of(const std::filesystem::path& path) {
  const Bytes bytes = read_file(path.string());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void PrintTo(const FormatRow& row, std::ostream* out) { *out << row.format; }

std::span<const FormatRow> format_table() { return kTable; }

std::filesystem::path format_file(const FormatRow& row, double seconds) {
  static const std::vector<std::filesystem::path> tracks = long_tracks();
  const auto track = [&](size_t number) {
    return tracks.at(number % kTracks * tracks.size() / kTracks);
  };
  const auto number = static_cast<size_t>(  // the row may be a copy
      std::ranges::find(kTable, std::string_view(row.file), &FormatRow::file) - kTable);
  // Without what ffmpeg would draw at random or take from the clock.
  const auto encoded = [&row](const auto& source, const std::string& arguments, const char* part) {
    return encode(source, "-fflags +bitexact " + arguments, std::string(part) + row.file);
  };
  const auto first = encoded(source_of(row.source, track(number), track(number + 1), seconds),
                             row.arguments, "first-");
  if (row.edit == Edit::kNone && !row.second_part) return first;
  std::string content = edited(content_of(first), row.edit);
  if (row.second_part) {
    const auto other = music(track(number + 1), 15, seconds * kSecondPartShare);
    content += edited(content_of(encoded(other, row.second_part, "second-")), row.edit);
  }
  const auto path = scratch_folder() / row.file;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

}  // namespace soundgate::test
