"""Uploads that are begun and do not come: there are more of them than decoders can take."""

import time

import e2e
from testbed.uploads import BLOCK, Case

DECODER_STREAMS = 224  # of the one worker, for the one lcore
SLOW = DECODER_STREAMS + 80
AT_ONCE = 10  # that come while those do not
SILENCE_SECONDS = 5  # after which one gives its decoder up


class SlowUploads(e2e.TestbedCase):
    options = {"settings": {**e2e.PATIENT, "decoder": {"workers": 1}}}
    reference, = e2e.tracks(1, ("wesnoth",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def begin_slowly(self, number):
        connection = self.gate.network.connect()
        connection.sendall(b"PUT /slow-%d HTTP/1.1\r\nHost: origin\r\nX-Request-Id: slow-%d\r\n"
                           b"Content-Length: 1000000\r\n\r\nID3\x04" % (number, number))
        return connection

    def test_they_take_no_decoder_from_what_comes(self):
        slow = [self.begin_slowly(number) for number in range(SLOW)]
        try:
            time.sleep(SILENCE_SECONDS + 0.5)
            cases = [Case(f"number {number}", self.reference.path, BLOCK, self.reference.title)
                     for number in range(AT_ONCE)]
            self.assert_expected(self.gate.upload_all(cases, AT_ONCE))
            reasons = self.gate.appliance.status()["dataplane"]["reasons"]
            gone = self.gate.soundgate.lines("decisions", "list", "--checked", "none")
            self.assertEqual(reasons["gave_way"], len(gone))
            self.assertGreater(len(gone), 0)
            self.assertLessEqual(len(gone), AT_ONCE, "no more than those that came")
            self.assertEqual({(row["verdict"], row["reason"]) for row in gone},
                             {("flag", "gave_way")})
            # The others are still there, and go on.
            self.assertEqual(self.gate.appliance.status()["uploads"]["in_flight"],
                             SLOW - len(gone))
        finally:
            for connection in slow:
                connection.close()


if __name__ == "__main__":
    e2e.main()
