#!/bin/bash
# The dataplane alone between two network namespaces, with curl and nginx, on real DPDK ports:
#   ports_test.sh RUN_DATAPLANE af_packet|tap [LCORES]
# Exits 77 (skipped) when not root.
set -u
[ "$(id -u)" = 0 ] && [ -c /dev/net/tun ] || exit 77
for tool in nginx curl ip ethtool python3; do command -v $tool > /dev/null || exit 77; done

run_dataplane=$1
kind=$2
lcores=${3:-1}
client=sgport-$kind-c-$$
origin=sgport-$kind-o-$$
short=${kind:0:1}$$ # interface names: at most 15 bytes
work=$(mktemp -d /tmp/sgport.XXXXXX)
failures=0
pids=()

clean_up() {
  for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null; done
  [ -f "$work/nginx.pid" ] && kill "$(cat "$work/nginx.pid")" 2> /dev/null
  sleep 0.2
  ip netns delete "$client" 2> /dev/null
  ip netns delete "$origin" 2> /dev/null
  ip link delete "sgp${short}ca" 2> /dev/null
  ip link delete "sgp${short}oa" 2> /dev/null
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

give_address() {  # NAMESPACE DEVICE LAST_NUMBER
  ip -n "$1" link set lo up
  ip -n "$1" addr add "10.66.0.$3/24" dev "$2"
  ip -n "$1" -6 addr add "fd66::$3/64" dev "$2" nodad
  ip -n "$1" link set "$2" up
}

make_veth() {  # NAMESPACE OURS THEIRS LAST_NUMBER
  ip link add "$2" type veth peer name "$3"
  sysctl -qw "net.ipv6.conf.$2.disable_ipv6=1"
  ip link set "$3" netns "$1"
  ip netns exec "$1" ethtool -K "$3" tx off tso off gso off gro off > /dev/null 2>&1
  give_address "$1" "$3" "$4"
  ip link set "$2" up
}

start_dataplane() {  # MODE [TAIL_BYTES]
  : > "$work/log"
  "$run_dataplane" "$client_port" "$origin_port" "$1" BLOCKME 50 "${2:-1}" "$lcores" > "$work/log" 2>&1 &
  dataplane=$!
  pids+=("$dataplane")
  for _ in $(seq 100); do
    grep -q running "$work/log" && break
    sleep 0.1
  done
  if [ "$kind" = tap ]; then
    ip link set "sgp${short}ca" netns "$client" && give_address "$client" "sgp${short}ca" 1
    ip link set "sgp${short}oa" netns "$origin" && give_address "$origin" "sgp${short}oa" 2
    sleep 0.3
  fi
}

stop_dataplane() {
  kill "$dataplane"
  wait "$dataplane" 2> /dev/null
}

ip netns add "$client" || exit 1
ip netns add "$origin" || exit 1
if [ "$kind" = tap ]; then
  client_port=net_tap0,iface=sgp${short}ca
  origin_port=net_tap1,iface=sgp${short}oa
else
  client_port=net_af_packet0,iface=sgp${short}ca
  origin_port=net_af_packet1,iface=sgp${short}oa
  make_veth "$client" "sgp${short}ca" "sgp${short}ce" 1
  make_veth "$origin" "sgp${short}oa" "sgp${short}oe" 2
fi

mkdir -p "$work/www" "$work/tmp"
chmod 777 "$work" "$work/www" "$work/tmp"
cat > "$work/nginx.conf" << EOF
user root;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.err;
events { worker_connections 256; }
http {
  access_log $work/nginx.log;
  client_body_temp_path $work/tmp;
  server {
    listen 80;
    listen [::]:80;
    client_max_body_size 100m;
    root $work/www;
    location / { dav_methods PUT; }
  }
}
EOF
start_dataplane enforce
ip netns exec "$origin" nginx -c "$work/nginx.conf" || exit 1

head -c 20000000 /dev/urandom > "$work/clean"
{ head -c 300000 "$work/clean"; echo BLOCKME; head -c 100000 "$work/clean"; } > "$work/bad"
in_client() { ip netns exec "$client" "$@"; }
put() { in_client curl -sS -g -m 10 -o "$work/out" -w '%{http_code}' "$@"; }

expect "clean PUT" 201 "$(put -T "$work/clean" http://10.66.0.2/clean4)"
expect "it arrives whole" "" "$(cmp "$work/clean" "$work/www/clean4" 2>&1)"
expect "clean PUT over IPv6" 201 "$(put -T "$work/clean" 'http://[fd66::2]/clean6')"
expect "it arrives whole" "" "$(cmp "$work/clean" "$work/www/clean6" 2>&1)"
expect "clean PUT in chunks" 201 \
  "$(put -H 'Transfer-Encoding: chunked' -T "$work/clean" http://10.66.0.2/chunked)"
expect "it arrives whole" "" "$(cmp "$work/clean" "$work/www/chunked" 2>&1)"
for name in plain chunks no100; do
  case $name in
    plain) extra=() ;;
    chunks) extra=(-H 'Transfer-Encoding: chunked') ;;
    no100) extra=(-H 'Expect:') ;;
  esac
  expect "bad PUT ($name)" 403 "$(put "${extra[@]}" -T "$work/bad" http://10.66.0.2/bad-$name)"
  expect "the answer names the upload" 1 "$(grep -c '"upload_id":"u-test"' "$work/out")"
  expect "nginx never has it" no "$([ -e "$work/www/bad-$name" ] && echo yes || echo no)"
done
expect "several PUTs on one connection" "201 204 403 0" "$(in_client curl -sS -m 20 \
  -T "$work/nginx.conf" http://10.66.0.2/k1 -o /dev/null -w '%{http_code} ' --next -sS \
  -T "$work/nginx.conf" http://10.66.0.2/k1 -o /dev/null -w '%{http_code} ' --next -sS \
  -T "$work/bad" http://10.66.0.2/k2 -o /dev/null -w '%{http_code} %{num_connects}')"

speed=$(in_client curl -sS -m 20 -H Expect: -T "$work/clean" http://10.66.0.2/speed -o /dev/null \
  -w '%{speed_upload}')
echo "throughput: $((speed * 8 / 1000000)) Mb/s"
before=$(awk '{print $14 + $15}' "/proc/$dataplane/stat")
sleep 2
after=$(awk '{print $14 + $15}' "/proc/$dataplane/stat")
echo "idle: $(((after - before) * 100 / 2 / $(getconf CLK_TCK))) % of a core"

if [ "$kind" = af_packet ]; then
  # Pooled connections outlive the dataplane; what they upload next is inspected.
  in_client python3 - "$work/go" > "$work/pool" 2>&1 << 'EOF' &
import http.client, os, sys, time
pool = [http.client.HTTPConnection("10.66.0.2", timeout=10) for _ in range(20)]
def put(connection, name, body):
    try:
        connection.request("PUT", name, body)
        response = connection.getresponse()
        response.read()
        return response.status
    except Exception as error:
        return type(error).__name__
print(*[put(c, f"/pool-{i}", b"first") for i, c in enumerate(pool)], flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
sockets = [c.sock for c in pool]
bodies = [b"BLOCKME" if i % 2 else b"good" for i in range(20)]
print(*[put(c, f"/pool-{i}", bodies[i]) for i, c in enumerate(pool)])
EOF
  pool=$!
  for _ in $(seq 50); do
    [ -s "$work/pool" ] && break
    sleep 0.1
  done
  stop_dataplane
  start_dataplane enforce
  touch "$work/go"
  wait $pool
  expect "20 pooled connections" "$(printf '201 %.0s' $(seq 20))" "$(sed -n 1p "$work/pool") "
  expect "their next uploads are inspected" "$(printf '204 403 %.0s' $(seq 10))" \
    "$(sed -n 2p "$work/pool") "
fi
stop_dataplane
if [ "$lcores" -gt 1 ]; then
  expect "lcores shared the packets out" yes \
    "$(grep -q 'handed over between lcores [1-9]' "$work/log" && echo yes || echo no)"
fi
cat "$work/log" | tail -20
[ "$failures" = 0 ]
