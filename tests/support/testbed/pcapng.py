"""Reads pcapng files as soundgate writes them: every block is looked at, and what is wrong raises.

Source: draft-ietf-opsawg-pcapng.
"""

import struct
from dataclasses import dataclass, field

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
RECEIVED, SENT = 1, 2
COMMENT, NAME, RESOLUTION = 1, 2, 9  # options
FLAGS = 2  # of a packet
RECEIVED_COUNT, DROPPED_COUNT = 4, 5  # of statistics


@dataclass
class Packet:
    interface: int
    nanoseconds: int  # since the epoch
    frame: bytes
    frame_bytes: int  # on the wire
    direction: int

    @property
    def ports(self):
        """Source and destination of TCP over IPv4, without tags."""
        return struct.unpack_from(">HH", self.frame, 14 + 4 * (self.frame[14] & 15))

    @property
    def payload(self):
        """(sequence number, bytes) of TCP over IPv4, without tags."""
        ip = self.frame[14:]
        tcp = ip[4 * (ip[0] & 15):struct.unpack(">H", ip[2:4])[0]]
        return struct.unpack(">I", tcp[4:8])[0], tcp[4 * (tcp[12] >> 4):]


@dataclass
class Statistics:
    interface: int
    nanoseconds: int
    received: int
    dropped: int


@dataclass
class File:
    comment: str = ""
    interfaces: list = field(default_factory=list)  # names
    packets: list = field(default_factory=list)
    statistics: list = field(default_factory=list)

    def received(self):
        return [packet for packet in self.packets if packet.direction == RECEIVED]

    def sent(self):
        return [packet for packet in self.packets if packet.direction == SENT]


def options(data):
    found, at = {}, 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            break
        found[code] = data[at + 4:at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
    return found


def blocks(data):
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length >= 12 and length % 4 == 0 and at + length <= len(data), f"cut at {at}"
        assert struct.unpack_from("<I", data, at + length - 4)[0] == length, f"damaged at {at}"
        yield kind, data[at + 8:at + length - 4]
        at += length


def timestamp(body):
    upper, lower = struct.unpack_from("<II", body, 4)
    return upper << 32 | lower


def read(path):
    file = File()
    for kind, body in blocks(path.read_bytes()):
        if kind == SECTION:
            file.comment = options(body[16:]).get(COMMENT, b"").decode()
        elif kind == INTERFACE:
            found = options(body[8:])
            assert struct.unpack_from("<H", body)[0] == 1 and found[RESOLUTION] == b"\x09"
            file.interfaces.append(found[NAME].decode())
        elif kind == STATISTICS:
            found = options(body[12:])
            count = [struct.unpack("<Q", found[code])[0] for code in (RECEIVED_COUNT, DROPPED_COUNT)]
            file.statistics.append(Statistics(struct.unpack_from("<I", body)[0],
                                              timestamp(body), *count))
        elif kind == PACKET:
            interface, _, _, captured, whole = struct.unpack_from("<IIIII", body)
            flags = options(body[20 + (captured + 3) // 4 * 4:])[FLAGS]
            file.packets.append(Packet(interface, timestamp(body), body[20:20 + captured], whole,
                                       struct.unpack("<I", flags)[0] & 3))
        else:
            raise AssertionError(f"a block of type {kind}")
    return file


def stream(packets, source_port=None, destination_port=None):
    """The bytes of the one connection among these packets that go from or to a port."""
    pieces = {}
    for packet in packets:
        source, destination = packet.ports
        if source_port in (None, source) and destination_port in (None, destination):
            sequence, payload = packet.payload
            if len(payload) > len(pieces.get(sequence, b"")):
                pieces[sequence] = payload
    if not pieces:
        return b""
    first = min(pieces)  # of connections too short to wrap
    data = bytearray()
    for sequence in sorted(pieces):
        at = sequence - first
        assert at <= len(data), f"bytes {len(data)}..{at} are missing"
        data[at:at + len(pieces[sequence])] = pieces[sequence]
    return bytes(data)
