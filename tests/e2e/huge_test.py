"""An upload of 5 GiB: sequence numbers wrap, offsets do not."""

import hashlib
import struct
import time

import e2e
from testbed import hashing

BODY_BYTES = 5 << 30
BLOCK = bytes(1 << 20)  # silence


def wave_header():
    """Of a stream without an end: 44.1 kHz, two channels, 16 bits."""
    unknown = 0xFFFFFFFF
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", unknown, b"WAVE", b"fmt ", 16, 1, 2, 44_100,
                       176_400, 4, 16, b"data", unknown)


class Huge(e2e.TestbedCase):
    options = {"settings": {"gate": {"hold_max_ms": 60_000}, **hashing.INSPECTED}}

    @classmethod
    def enroll(cls):
        cls.origin = cls.enterClassContext(
            hashing.HashingOrigin(cls.gate.network, cls.gate.folder))

    def test_arrives_byte_for_byte(self):
        began = time.monotonic()
        sent = hashlib.sha256()
        with self.gate.network.connect(hashing.PORT) as connection:
            connection.settimeout(300)
            connection.sendall(b"PUT /huge.wav HTTP/1.1\r\nHost: origin\r\n"
                               b"X-Request-Id: huge\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES)
            left = BODY_BYTES
            block = wave_header()
            while left > 0:
                block = block[:left]
                connection.sendall(block)
                sent.update(block)
                left -= len(block)
                block = BLOCK
            self.assertIn(b"201 Created", connection.recv(4_096))
        seconds = time.monotonic() - began
        print(f"5 GiB in {seconds:.0f} s, {BODY_BYTES / seconds / 1e6:.0f} MB/s")
        arrived = self.origin.upload("/huge.wav")
        self.assertEqual((arrived["bytes"], arrived["sha256"], arrived["whole"]),
                         (BODY_BYTES, sent.hexdigest(), True))
        verdict = self.gate.appliance.decision("huge")
        print(verdict["verdict"], verdict["reason"], verdict["checked"])
        self.assertNotEqual(verdict["verdict"], "block")
        status = self.gate.appliance.status()["dataplane"]
        self.assertEqual(status["held"]["bytes"], 0)
        self.assertEqual(status["segments"]["conflicting_bytes"], 0)


if __name__ == "__main__":
    e2e.main()
