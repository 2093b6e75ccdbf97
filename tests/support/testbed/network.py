"""Three network namespaces in a row: client, gate, origin; one Ethernet segment.

    client: eth0 ── sg-client :gate: sg-origin ── eth0 :origin

The gate's interfaces are Soundgate's two ports: the ends of veth pairs (net_af_packet), or TAPs
that Soundgate makes and that are then moved out as the others' eth0 (net_tap). With an impairment,
soundgate-relay stands between the client and the gate's port; with VLAN tags, one stands on either
side and makes them.
"""

import ctypes
import os
import re
import socket
import time
from contextlib import contextmanager

from .process import Background, alive, run

CLIENT_IPV4, ORIGIN_IPV4 = "10.77.0.1", "10.77.0.2"
CLIENT_IPV6, ORIGIN_IPV6 = "fd77::1", "fd77::2"
PORTS = ("sg-client", "sg-origin")

_NAMESPACE = re.compile(r"sgbed-(\d+)-\w+")


class Network:
    def __init__(self, port_kind="af_packet"):
        assert port_kind in ("af_packet", "tap")
        self.port_kind = port_kind
        prefix = f"sgbed-{os.getpid()}"
        self.client, self.gate, self.origin = (
            f"{prefix}-{role}" for role in ("client", "gate", "origin"))
        self._relays = []

    def within(self, namespace, *command):
        """The command, as it is run inside a namespace."""
        return ["ip", "netns", "exec", namespace, *command]

    def connect(self, port=80, *, ipv6=False, protocol=socket.IPPROTO_TCP):
        """A TCP connection from the client to the origin, for tests that speak for themselves."""
        return connect_within(self.client, ORIGIN_IPV6 if ipv6 else ORIGIN_IPV4, port, protocol)

    def packet_socket(self, namespace, interface):
        """A raw socket on an interface of a namespace, for tests that send frames."""
        with _inside(namespace):
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sender.bind((interface, 0))
        return sender

    def datagrams(self, count, pause=0.01):
        """Numbers as the origin gets them that the client sends, in UDP."""
        with _inside(self.origin):
            taker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with _inside(self.client):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with taker, sender:
            taker.bind((ORIGIN_IPV4, 4000))
            received = []
            for number in range(count):
                sender.sendto(str(number).encode(), (ORIGIN_IPV4, 4000))
                received += _waiting(taker, pause)
            return received + _waiting(taker, 1)

    def is_bridged(self, bridge):
        """Whether both ports of the gate are in a bridge."""
        shown = run("ip", "-n", self.gate, "-o", "link", "show", "master", bridge,
                    check=False).stdout
        return all(f" {port}@" in shown for port in PORTS)

    def device(self, port):
        """A port as DPDK is told of it."""
        number = PORTS.index(port)
        return f"net_{self.port_kind}{number},iface={port}"

    def create(self, relay_command=None, log_path=None, origin_relay_command=None):
        delete_leftovers()
        for namespace in (self.client, self.gate, self.origin):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        # Kernel neighbour discovery on the appliance's own ends would leak into the path.
        for which in ("all", "default"):
            run(*self.within(self.gate, "sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1"))
        if self.port_kind == "af_packet":
            self._connect_pair(self.client, "client", relay_command, log_path)
            self._connect_pair(self.origin, "origin", origin_relay_command, log_path)
            self._address(self.client, CLIENT_IPV4, CLIENT_IPV6)
            self._address(self.origin, ORIGIN_IPV4, ORIGIN_IPV6)
            if origin_relay_command:
                self._leave_room_for_tags()
        elif relay_command or origin_relay_command:
            raise ValueError("an impairment needs af_packet ports")

    def _connect_pair(self, namespace, role, relay_command, log_path):
        port = f"sg-{role}"
        gate_end = f"wire-{role}" if relay_command else port
        self._add_pair(gate_end, namespace)
        if not relay_command:
            return
        inner = f"inner-{role}"
        run("ip", "-n", self.gate, "link", "add", inner, "type", "veth", "peer", "name", port)
        for end in (inner, port):
            self._bring_up(self.gate, end)
        self._relays.append(Background(
            self.within(self.gate, *relay_command, gate_end, inner), log_path))

    def _leave_room_for_tags(self):
        for namespace in (self.client, self.origin):
            run("ip", "-n", namespace, "link", "set", "eth0", "mtu", "1480")

    def _add_pair(self, gate_end, namespace):
        run("ip", "-n", self.gate, "link", "add", gate_end, "type", "veth",
            "peer", "name", "eth0", "netns", namespace)
        self._bring_up(self.gate, gate_end)
        self._bring_up(namespace, "eth0")

    def _bring_up(self, namespace, interface):
        # With offloads, frames pass a veth with no checksum and longer than the MTU; the gate sees
        # frames as they would be on a cable.
        run(*self.within(namespace, "ethtool", "-K", interface,
                         "tx", "off", "tso", "off", "gso", "off", "gro", "off"))
        run("ip", "-n", namespace, "link", "set", interface, "up")

    def _address(self, namespace, ipv4, ipv6):
        run("ip", "-n", namespace, "address", "add", f"{ipv4}/24", "dev", "eth0")
        run("ip", "-n", namespace, "address", "add", f"{ipv6}/64", "dev", "eth0", "nodad")

    def adopt_taps(self):
        """Gives the client and the origin the TAPs that Soundgate has just made."""
        ends = ((self.client, CLIENT_IPV4, CLIENT_IPV6), (self.origin, ORIGIN_IPV4, ORIGIN_IPV6))
        for port, (namespace, ipv4, ipv6) in zip(PORTS, ends):
            run("ip", "-n", self.gate, "link", "set", port, "netns", namespace, "name", "eth0")
            self._address(namespace, ipv4, ipv6)
            run("ip", "-n", namespace, "link", "set", "eth0", "up")

    def delete_relays(self):
        for relay in self._relays:
            relay.stop()

    def delete(self):
        for namespace in (self.client, self.gate, self.origin):
            run("ip", "netns", "delete", namespace, check=False)


def connect_within(namespace, address, port, protocol=socket.IPPROTO_TCP):
    """A connection from inside a namespace. Thread: any."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with _inside(namespace):
        connection = socket.socket(family, socket.SOCK_STREAM, protocol)
        connection.settimeout(60)
        connection.connect((address, port))
        return connection


def _waiting(taker, seconds):
    """The numbers that come to a socket within a time."""
    received = []
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        taker.settimeout(left)
        try:
            received.append(int(taker.recv(100)))
        except TimeoutError:
            break
    return received


_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def _inside(namespace):
    """The calling thread makes its sockets in a namespace, where they then stay."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        _enter(there)
        try:
            yield
        finally:
            _enter(home)


def _enter(namespace):
    if _libc.setns(namespace.fileno(), 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def delete_leftovers():
    """Ends what an earlier run left behind when it was killed: namespaces whose maker is gone."""
    for line in run("ip", "netns", "list").stdout.splitlines():
        named = _NAMESPACE.fullmatch(line.split()[0])
        if not named or (alive(named[1]) and int(named[1]) != os.getpid()):
            continue
        for pid in run("ip", "netns", "pids", named[0], check=False).stdout.split():
            run("kill", "-KILL", pid, check=False)
        run("ip", "netns", "delete", named[0], check=False)
