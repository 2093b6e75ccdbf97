"""Other clients than curl, and other ways to reach the origin: wget, Python's own client, HTTP/1.0,
Multipath TCP, VLAN tags, IPv6."""

import http.client
import socket
import sys

import e2e
from testbed import hashing
from testbed.network import ORIGIN_IPV4, connect_within
from testbed.process import Background, run
from testbed.uploads import BLOCK, PASS, Case


class Clients(e2e.TestbedCase):
    # Some of these clients do not read while they write: they would not see an answer before.
    options = {"settings": {**e2e.PATIENT, "match": {"early_verdict": False}}}
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def assert_through(self, name):
        verdict = self.gate.appliance.decision(name)
        self.assertEqual((verdict["verdict"], verdict["checked"]), ("pass", "full"))
        self.assertEqual(self.gate.origin.ending(name), 201)
        self.assertEqual(self.gate.origin.digest(f"{name}.ogg"),
                         e2e.bed.digest(self.other.path))

    def assert_refused(self, name):
        verdict = self.gate.appliance.decision(name)
        self.assertEqual((verdict["verdict"], verdict["enforced"]), ("block", True))
        self.assertNotEqual(self.gate.origin.ending(name), 201)
        self.assertFalse(self.gate.origin.has(f"{name}.ogg"))

    def wget(self, path, name, ipv6=False):
        """Its exit code: 0, or 8 where the server answered with an error."""
        network = self.gate.network
        return run(*network.within(
            network.client, "wget", "--quiet", "--tries=1", "--timeout=60", "--output-document=-",
            "--method=PUT", f"--body-file={path}", f"--header=X-Request-Id: {name}",
            self.gate.client.url(f"{name}.ogg", ipv6)), check=False).returncode

    def test_wget(self):
        for ipv6 in (False, True):
            kind = "6" if ipv6 else "4"
            self.assertEqual(self.wget(self.other.path, f"wget-clean-{kind}", ipv6), 0)
            self.assert_through(f"wget-clean-{kind}")
            self.assertEqual(self.wget(self.reference.path, f"wget-spam-{kind}", ipv6), 8)
            self.assert_refused(f"wget-spam-{kind}")

    def python_client(self, path, name, **options):
        connection = http.client.HTTPConnection("origin", timeout=60)
        connection.sock = self.gate.network.connect(**options)
        self.addCleanup(connection.close)
        with open(path, "rb") as body:
            chunked = name.startswith("chunked")
            connection.request("PUT", f"/{name}.ogg", iter(lambda: body.read(7_000), b"")
                               if chunked else body, {"X-Request-Id": name,
                                                      "Host": "origin"}, encode_chunked=chunked)
        return connection.getresponse().status

    def test_pythons_client(self):
        for kind in ("plain", "chunked"):
            self.assertEqual(self.python_client(self.other.path, f"{kind}-clean"), 201)
            self.assert_through(f"{kind}-clean")
            self.assertEqual(self.python_client(self.reference.path, f"{kind}-spam"), 403)
            self.assert_refused(f"{kind}-spam")

    def test_http_1_0(self):
        curl = ("--http1.0", "--header", "Expect:")
        for path, name, status in ((self.other.path, "old-clean", 201),
                                   (self.reference.path, "old-spam", 403)):
            answer = self.gate.client.curl(
                *curl, "--header", f"X-Request-Id: {name}", "--upload-file", path,
                self.gate.client.url(f"{name}.ogg"))[0]
            self.assertEqual(answer.status, status)
        self.assert_through("old-clean")
        self.assert_refused("old-spam")

    def test_a_client_that_half_closes(self):
        body = self.other.path.read_bytes()
        with self.gate.network.connect() as connection:
            connection.sendall(b"PUT /half-closed.ogg HTTP/1.1\r\nHost: origin\r\n"
                               b"X-Request-Id: half-closed\r\n"
                               b"Content-Length: %d\r\n\r\n" % len(body))
            connection.sendall(body)
            connection.shutdown(socket.SHUT_WR)
            self.assertIn(b"201 Created", connection.recv(4_096))
        self.assert_through("half-closed")


class MultipathTcp(e2e.TestbedCase):
    """Both ends would speak it. The option does not get through, and uploads are seen whole."""

    options = {"settings": {**e2e.PATIENT, "match": {"early_verdict": False},
                            **hashing.INSPECTED}}
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)
        cls.origin = cls.enterClassContext(hashing.HashingOrigin(
            cls.gate.network, cls.gate.folder, multipath=True))

    def test_they_would_without_the_gate(self):
        network = self.gate.network
        with connect_within(network.origin, ORIGIN_IPV4, hashing.PORT,
                            socket.IPPROTO_MPTCP) as connection:
            self.assertEqual(self.put(connection, self.other.path, "beside")[0], 201)
            self.assertFalse(fell_back(connection))

    def test_uploads_are_inspected(self):
        for path, name, status in ((self.other.path, "clean", 201),
                                   (self.reference.path, "spam", 403)):
            with self.gate.network.connect(hashing.PORT,
                                           protocol=socket.IPPROTO_MPTCP) as connection:
                self.assertEqual(self.put(connection, path, name)[0], status)
                self.assertTrue(fell_back(connection), "it speaks Multipath TCP")
            verdict = self.gate.appliance.decision(name)
            self.assertEqual(verdict["checked"], "full")
            arrived = self.origin.upload(f"/{name}")
            self.assertEqual(arrived["whole"], status == 201)
            if status == 201:
                self.assertEqual(arrived["sha256"], e2e.bed.digest(path))

    @staticmethod
    def put(connection, path, name):
        client = http.client.HTTPConnection("origin", timeout=60)
        client.sock = connection
        with open(path, "rb") as body:
            client.request("PUT", f"/{name}", body, {"X-Request-Id": name})
        response = client.getresponse()
        return response.status, response.read()


def fell_back(connection):
    """Whether a socket of IPPROTO_MPTCP speaks plain TCP after all."""
    sol_mptcp, mptcp_info, flags_offset, fallback = 284, 1, 8, 1
    try:
        info = connection.getsockopt(sol_mptcp, mptcp_info, 64)
    except OSError:  # there is none of a connection that is plain TCP
        return True
    return bool(int.from_bytes(info[flags_offset:flags_offset + 4], sys.byteorder) & fallback)


class Tagged(e2e.TestbedCase):
    """The frames on the gate's ports have VLAN tags, one on all of them and one inside it."""

    options = {"settings": e2e.PATIENT, "vlans": (77, 88)}
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def test_uploads_are_inspected(self):
        network = self.gate.network
        seen = Background(network.within(
            network.gate, "tcpdump", "--immediate-mode", "-l", "-nn", "-e", "-i", "sg-origin",
            "vlan", "77", "and", "vlan", "88", "and", "ip"), self.gate.folder / "tags.log")
        self.addCleanup(seen.stop)
        for ipv6 in (False, True):
            self.assert_expected([
                self.gate.upload(Case("clean", self.other.path, PASS), ipv6=ipv6),
                self.gate.upload(Case("reference", self.reference.path, BLOCK,
                                      self.reference.title), ipv6=ipv6)])
        self.assertGreater(seen.log_tail(1_000).count("vlan 77"), 100)
        self.assertGreater(seen.log_tail(1_000).count("vlan 88"), 100)


if __name__ == "__main__":
    e2e.main()
