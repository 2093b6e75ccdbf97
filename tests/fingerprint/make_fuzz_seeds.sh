#!/bin/bash
# Makes the seeds of fuzz_demux: a moment of sound in every format, and how each is handed out
# (fuzz_demux.cc, Delivery). What fuzzing added to the corpus since was found from these.
#   tests/fingerprint/make_fuzz_seeds.sh FOLDER
set -euo pipefail
folder=${1:?a folder to write to}
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# seed NAME DELIVERY FFMPEG_ARGUMENTS…: DELIVERY is four bytes in hex.
seed() {
  local name=$1 delivery=$2
  shift 2
  ffmpeg -nostdin -v error -y -f lavfi -i "sine=frequency=700:sample_rate=8000:duration=0.12" \
    -map_metadata -1 -bitexact -metadata_header_padding 1 "$@" "$work/$name"
  { cat "$work/$name" && echo -n "$delivery" | xxd -r -p; } >"$folder/$name"
}

seed mp3.mp3 ff000001 -c:a libmp3lame -b:a 16k -write_xing 1
seed mp3_tagged.mp3 0a000000 -c:a libmp3lame -b:a 16k -id3v2_version 3 -metadata title=x
seed mp2.mp2 ff000001 -c:a mp2 -ar 16000 -b:a 32k
seed adts.aac 03000001 -c:a aac -b:a 24k
seed aac_at_end.m4a ff000001 -c:a aac -b:a 24k
seed aac_in_front.m4a 10000001 -c:a aac -b:a 24k -movflags +faststart
seed aac_fragments.mp4 40000000 -c:a aac -b:a 24k -movflags +frag_keyframe+empty_moov
seed alac.m4a ff400801 -c:a alac -movflags +faststart
seed flac.flac ff000009 -c:a flac -frame_size 256
seed flac_gap.flac ff802000 -c:a flac -frame_size 128
seed wav.wav ff000001 -c:a pcm_u8
seed wav_gap.wav 20600804 -c:a pcm_s16le -ac 1 -t 0.1
seed wav_float.wav ff000001 -c:a pcm_f32le -t 0.04
seed wav_alaw.wav ff000002 -c:a pcm_alaw
seed aiff.aiff ff000001 -c:a pcm_s16be -t 0.1
seed opus.ogg 20000001 -c:a libopus -b:a 16k
seed vorbis.ogg ff000001 -c:a libvorbis -ac 1 -q:a -1 -t 0.05
seed flac.ogg ff000001 -c:a flac -frame_size 256
seed opus.webm ff802001 -c:a libopus -b:a 16k
seed pcm.mka 08000001 -c:a pcm_s24le -t 0.05
seed long_silence.flac ff000004 -c:a flac -af "volume=0,apad=whole_dur=8" -ar 1000 -frame_size 65535
# Long enough that a sparse coverage leaves out what lies between two stretches.
silence=(-af "volume=0,apad=whole_dur=24")
seed sparse.ogg ff000081 -c:a flac -frame_size 4608 "${silence[@]}"
seed sparse.mka 40000080 -c:a flac -frame_size 4608 "${silence[@]}"
seed sparse.aac ff000081 -c:a aac -b:a 8k "${silence[@]}" -t 22
