#!/bin/bash
# Fetches real music to test with: Debian's packages of freely licensed games, unpacked, not
# installed.
#   tests/support/fetch_corpus.sh [DIR [PACKAGE…]]     default: build/corpus, and all packages below
#   tests/support/fetch_corpus.sh --large [DIR]        those of the quality suite too
# Makes DIR/PACKAGE/*.ogg|mp3|… of the tracks of 30 s or more, and DIR/manifest.tsv with a line
#   family <TAB> seconds <TAB> path below DIR
# for each track that DIR holds. Tracks of one family may share loops and stems.
# What DIR has already is kept. Needs ffprobe; root only where apt's lists have to be fetched first.
set -euo pipefail

# Family and package. Together 236 tracks from 700 MB.
corpus='
  abagames       a7xpg-data
  abagames       gunroar-data
  abagames       mu-cade-data
  abagames       noiz2sa-data
  abagames       parsec47-data
  abagames       rrootage-data
  abagames       titanion-data
  abagames       torus-trooper-data
  abagames       tumiki-fighters-data
  ardentryst     ardentryst
  asc            asc-music
  btanks         btanks-data
  colobot        colobot-common-sounds
  enigma         enigma-data
  powermanga     powermanga-data
  singularity    singularity-music
  starfighter    starfighter-data
  supertux       supertux-data
  warzone2100    warzone2100-music
  wesnoth        wesnoth-1.16-music
'
# What the quality suite (perf/quality) adds: some 130 tracks from 800 MB.
large_corpus='
  extremetux     extremetuxracer-data
  hedgewars      hedgewars-data
  horizons       unknown-horizons
  hyperrogue     hyperrogue-music
  lincity        lincity-ng-data
  marsshooter    marsshooter-data
  nexuiz         nexuiz-music
  openclonk      openclonk-data
  planetblupi    planetblupi-music-ogg
  warmux         warmux-data
'
seconds_min=30
attempts_max=4

log() { echo "corpus: $*" >&2; }
die() {
  log "$*"
  exit 1
}

family_of() { awk -v package="$1" '$2 == package { print $1 }' <<<"$corpus"; }

# Leaves the package's .deb in the current folder.
download() {
  local package=$1 attempt
  apt-cache show "$package" >/dev/null 2>&1 || apt-get -qq update ||
    die "apt knows no package $package, and its lists cannot be fetched"
  for ((attempt = 1; attempt <= attempts_max; ++attempt)); do
    apt-get -qq -o APT::Sandbox::User=root download "$package" && return
    log "$package: attempt $attempt of $attempts_max failed"
    sleep $((attempt * 2))
  done
  die "cannot download $package (is a Debian mirror reachable?)"
}

seconds_of() {
  ffprobe -v error -show_entries format=duration -of csv=p=0 "$1" </dev/null 2>/dev/null || true
}

# Moves a track under a name of its own; fails where the same bytes are there already.
place_track() {
  local track=$1 folder=$2 stem extension name number=1
  name=$(basename "$track")
  stem=${name%.*} extension=${name##*.}
  while [[ -e $folder/$name ]]; do
    cmp -s "$track" "$folder/$name" && return 1
    name=$stem-$((++number)).$extension
  done
  mv "$track" "$folder/$name"
  echo "$name"
}

# Makes DIR/PACKAGE, which appears only when it is complete.
fetch_package() {
  local package=$1 work=$dir/.$1 family track seconds name
  family=$(family_of "$package")
  [[ $family ]] || die "$package is not one of the packages of the corpus"
  log "fetching $package"
  rm -rf "$work"
  mkdir -p "$work/tree" "$work/tracks"
  (cd "$work" && download "$package")
  dpkg -x "$work/$package"_*.deb "$work/tree"
  find "$work/tree" -name '*.pk3' -execdir unzip -qo {} \; # music in a zip of the game's own

  while IFS= read -r -d '' track; do
    seconds=$(seconds_of "$track")
    awk -v s="$seconds" -v min=$seconds_min 'BEGIN { exit !(s + 0 >= min) }' || continue
    name=$(place_track "$track" "$work/tracks") || continue
    printf '%s\t%s\t%s\n' "$family" "$seconds" "$package/$name" >>"$work/tracks/tracks.tsv"
  done < <(find "$work/tree" -type f -size +100k \
    -regextype posix-extended -iregex '.*\.(ogg|oga|mp3|flac|opus|wav|m4a)' -print0 | sort -z)

  [[ -s $work/tracks/tracks.tsv ]] || die "$package has no track of $seconds_min s or more"
  mv -T "$work/tracks" "$dir/$package"
  rm -rf "$work"
}

if [[ ${1:-} == --large ]]; then
  corpus+=$large_corpus
  shift
fi
dir=${1:-$(dirname "$0")/../../build/corpus}
shift $(($# > 0))
packages=("$@")
((${#packages[@]})) || mapfile -t packages < <(awk 'NF { print $2 }' <<<"$corpus")
command -v ffprobe >/dev/null || die "ffprobe is missing: run deploy/setup.sh"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

exec {lock}>"$dir/.lock"
flock "$lock" # one fetch at a time; whoever waited finds the work done

for package in "${packages[@]}"; do
  [[ -d $dir/$package ]] || fetch_package "$package"
done
cat "$dir"/*/tracks.tsv >"$dir/.manifest.new"
mv "$dir/.manifest.new" "$dir/manifest.tsv"
log "$(wc -l <"$dir/manifest.tsv") tracks in $dir"
