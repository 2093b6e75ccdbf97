#!/bin/bash
# Installs what building, running and testing Soundgate needs, all of it from Debian 12.
#   sudo deploy/setup.sh              installs what is missing; quick when nothing is
#   sudo deploy/setup.sh --appliance  only what a machine needs on which Soundgate runs
#   deploy/setup.sh [--appliance] --list    prints the packages, one a line
set -euo pipefail

# To run it: the libraries, the drivers of ports, and what an operator looks at ports with.
appliance=(
  librte-meta-net librte-meta-bus librte-meta-mempool librte-pcapng23 libhttp-parser2.9
  libavcodec59 libavformat59 libswresample4
  libboost-context1.74.0 libseccomp2 libjemalloc2 zlib1g
  libsqlite3-0 libutf8proc2 libspdlog1.10 libssl3 libsystemd0
  iproute2 ethtool
)

packages=(
  # Build: g++ 12, CMake presets, and a cache so that a second build is quick.
  build-essential cmake ninja-build pkg-config ccache

  # Dataplane: DPDK with its virtual devices, and Node's HTTP/1.1 parser.
  libdpdk-dev libhttp-parser-dev

  # Decoder and fingerprint: FFmpeg 5.1, xxHash, fibers, a filter of system calls, a heap, gzip.
  libavcodec-dev libavformat-dev libavutil-dev libswresample-dev
  libxxhash-dev libboost-context-dev libseccomp-dev libjemalloc-dev zlib1g-dev

  # Index: FAISS (a static library that wants a BLAS) and the catalogue's SQLite.
  libfaiss-dev libopenblas-dev libsqlite3-dev

  # Control: Beast and Asio, JSON, TOML, the command line, logs, SHA-256, Unicode's tables,
  # readiness for systemd.
  libboost-dev nlohmann-json3-dev libtomlplusplus-dev libcli11-dev libspdlog-dev libssl-dev
  libutf8proc-dev libsystemd-dev

  # All rooms: results, std::expected's forerunner.
  libexpected-dev

  # Tests and benchmarks in C++, and testpmd to compare forwarding with.
  libgtest-dev libgmock-dev libbenchmark-dev dpdk-dev

  # Another reader of HTTP, to compare with.
  libhtp-dev

  # End to end: namespaces, two clients, an origin, and what they are looked at with.
  iproute2 ethtool curl wget nginx python3 procps tcpdump

  # The units under a systemd of their own.
  systemd systemd-container

  # Real audio, made into uploads of every kind; Chromaprint 1.5.1 and fpcalc to compare with.
  ffmpeg sox libchromaprint-dev libchromaprint-tools

  # The quality suite: speech, music that a game keeps in a zip, arithmetic; and plots.
  espeak-ng unzip python3-numpy python3-matplotlib
)

# End to end: a tus client and server, from npm's registry. A Node that is not Debian's brings its own
# npm, and gets on with no other.
command -v npm >/dev/null || packages+=(nodejs npm)

log() { echo "setup: $*" >&2; }

missing_packages() {
  comm -23 <(printf '%s\n' "${packages[@]}" | sort) <(
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null |
      awk '$2 == "installed" { print $1 }' | sort
  )
}

# While packages are installed, Debian asks this file whether a service may start. No: nginx would
# take port 80, and the tests start their own in a namespace.
policy=/usr/sbin/policy-rc.d
forbid_services() {
  [[ -e $policy ]] && return
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

install_packages() {
  local nginx_is_new=false
  [[ " $* " == *" nginx "* ]] && nginx_is_new=true

  forbid_services
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq -o Acquire::Retries=3 update
  apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install --no-install-recommends -y "$@" >&2

  # Nor may it start with the machine, unless it was here before us.
  if $nginx_is_new && command -v systemctl >/dev/null; then
    systemctl --quiet disable nginx 2>/dev/null || true
  fi
}

if [[ ${1:-} == --appliance ]]; then
  packages=("${appliance[@]}")
  shift
fi
if [[ ${1:-} == --list ]]; then
  printf '%s\n' "${packages[@]}"
  exit
fi

mapfile -t missing < <(missing_packages)
if ((${#missing[@]} == 0)); then
  log "all ${#packages[@]} packages are there"
  exit
fi
if ((EUID != 0)); then
  log "these packages are missing and only root can install them: ${missing[*]}"
  exit 1
fi
log "installing ${missing[*]}"
install_packages "${missing[@]}"
