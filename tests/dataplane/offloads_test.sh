#!/bin/bash
# How ports are opened: interfaces that would cut frames are refused with the command that mends it,
# devices that can hash have a queue pair for each lcore, and what is counted can be read at DPDK's
# telemetry socket:
#   offloads_test.sh RUN_DATAPLANE
# Exits 77 (skipped) when not root.
set -u
[ "$(id -u)" = 0 ] || exit 77
for tool in ip ethtool python3; do command -v $tool > /dev/null || exit 77; done

run_dataplane=$1
namespace=sgoffload-$$
work=$(mktemp -d /tmp/sgoffload.XXXXXX)
failures=0
dataplane=

clean_up() {
  [ -n "$dataplane" ] && kill "$dataplane" 2> /dev/null
  ip netns delete $namespace 2> /dev/null
  rm -rf "$work"
}
trap clean_up EXIT

expect() {  # expect WHAT WANTED GOT
  if [ "$2" = "$3" ]; then
    echo "ok: $1"
  else
    echo "FAILED: $1: wanted '$2', got '$3'"
    failures=$((failures + 1))
  fi
}

within() { ip netns exec $namespace "$@"; }

start() {
  [ -n "$dataplane" ] && kill "$dataplane" 2> /dev/null && wait "$dataplane" # that should not run
  export SOUNDGATE_TELEMETRY=sgoffload$$
  ip netns exec $namespace "$run_dataplane" net_af_packet0,iface=sgo-c net_af_packet1,iface=sgo-o \
    enforce X 50 > "$work/log" 2>&1 &
  dataplane=$!
  for _ in $(seq 100); do
    grep -q . "$work/log" && break
    sleep 0.1
  done
}

ip netns add $namespace || exit 1
for side in c o; do
  within ip link add sgo-$side type veth peer name sgo-$side-end
  within ip link set sgo-$side up
  within ip link set sgo-$side-end up
  within sysctl -qw net.ipv6.conf.sgo-$side.disable_ipv6=1
done

mend() { sed -n 's/.*there: //p; s/.*cut: //p' "$work/log"; }
for _ in 1 2; do
  start
  command=$(mend)
  expect "offloads at the other end are refused, and mended as it says" yes \
    "$([[ $command == "ethtool -K sgo-"?"-end tx off tso off gso off gro off" ]] && echo yes || cat "$work/log")"
  within $command > /dev/null 2>&1
done
within ethtool -K sgo-c gro on
start
expect "merging what comes in is refused" "ethtool -K sgo-c gro off lro off" "$(mend)"
within ethtool -K sgo-c gro off
expect "an interface that is not there is named" 1 \
  "$(within "$run_dataplane" net_af_packet0,iface=sgo-none net_af_packet1,iface=sgo-o enforce X 50 2>&1 |
     grep -c 'there is no interface sgo-none')"
start
expect "then it starts" running "$(head -1 "$work/log")"

ask() {
  python3 - "/var/run/dpdk/sgoffload$$/dpdk_telemetry.v2" "$1" << 'END'
import json, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as telemetry:
    telemetry.connect(sys.argv[1])
    telemetry.recv(4096)
    telemetry.send(sys.argv[2].encode())
    answer = json.loads(telemetry.recv(65536))[sys.argv[2]]
    print(" ".join(sorted(answer)))
END
}
expect "telemetry tells of ports" "client origin" "$(ask /soundgate/ports)"
expect "telemetry tells of reasons" yes \
  "$([[ $(ask /soundgate/reasons) == *http_ambiguous*tcp_conflict* ]] && echo yes || ask /soundgate/reasons)"
expect "telemetry tells of counters" yes \
  "$([[ $(ask /soundgate/counters) == *bad_checksums*uploads_begun* ]] && echo yes || ask /soundgate/counters)"

# Frames whose packets are longer than they are counted.
within python3 - << 'END'
import socket, struct
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("sgo-c-end", 0))
frame = bytes(12) + b"\x08\x00" + b"\x45\x00" + struct.pack(">H", 9000) + bytes(16) + bytes(100)
for _ in range(7):
    sender.send(frame)
END
sleep 0.5
kill "$dataplane"
wait "$dataplane" 2> /dev/null
expect "cut frames are counted" 1 "$(grep -c 'frames cut 7' "$work/log")"
cat "$work/log"
dataplane=

# A device that hashes gets a queue pair for each lcore. (Its packets are all zeros: one lcore's.)
timeout 2 "$run_dataplane" net_null0 net_null1 enforce X 50 1 2 > "$work/log" 2>&1
expect "a queue pair for each lcore" 1 "$(grep -c 'handed over between lcores [1-9]' "$work/log")"
[ "$failures" = 0 ]
