"""Resumable uploads: tus-js-client and @tus/server, in many parts and over many connections."""

import json
import re
import sys
import time
from pathlib import Path

import e2e
from testbed import bed
from testbed.digest import digest
from testbed.network import ORIGIN_IPV4
from testbed.process import Background, run

PORT = 8080
PACKAGES = bed.REPOSITORY / "build" / "tus"
PROGRAMS = Path(__file__).resolve().parent / "tus"
CHUNK_BYTES = 256 * 1024
READY_SECONDS_MAX = 20


class Tus(e2e.TestbedCase):
    options = {"settings": {**e2e.PATIENT, "inspect": [
        {"ports": [80, PORT], "methods": ["PUT", "POST", "PATCH"]}]}}
    banned, banned_too = e2e.tracks(2, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.banned.path, cls.banned_too.path)
        cls.files = cls.gate.folder / "tus"
        cls.files.mkdir()
        network = cls.gate.network
        cls.server = Background(
            network.within(network.origin, "node", PROGRAMS / "server.mjs", PACKAGES, cls.files,
                           ORIGIN_IPV4, PORT), cls.gate.folder / "tus.log")
        cls.addClassCleanup(cls.server.stop)
        deadline = time.monotonic() + READY_SECONDS_MAX
        while '"ready"' not in cls.server.log_tail():
            assert time.monotonic() < deadline, cls.server.log_tail()
            time.sleep(0.05)

    def send(self, path, request_id, **wanted):
        """What the client says of an upload, or of going on with one (url)."""
        network = self.gate.network
        wanted = {"endpoint": f"http://{ORIGIN_IPV4}:{PORT}/files", "path": str(path),
                  "request_id": request_id, "chunk_bytes": CHUNK_BYTES, **wanted}
        done = run(*network.within(network.client, "node", PROGRAMS / "client.mjs", PACKAGES,
                                   json.dumps(wanted)))
        return json.loads(done.stdout)

    def cut_off(self, path, request_id):
        """Creates a resource, and sends a part of its only part. Returns its URL."""
        size = path.stat().st_size
        headers = [word for header in ("Tus-Resumable: 1.0.0", f"X-Request-Id: {request_id}")
                   for word in ("--header", header)]
        made, = self.gate.client.curl(
            "--include", "--request", "POST", "--header", f"Upload-Length: {size}", *headers,
            f"http://{ORIGIN_IPV4}:{PORT}/files")
        url = re.search(r"(?im)^location: (\S+)", made.body).group(1)
        self.gate.client.curl(
            "--upload-file", path, "--request", "PATCH", "--header", "Upload-Offset: 0",
            "--header", "Content-Type: application/offset+octet-stream", "--header", "Expect:",
            *headers, "--limit-rate", str(size // 6), url, timeout=3)
        return url

    def stored(self, url):
        return self.files / url.rsplit("/", 1)[1]

    def rows(self, request_id):
        return self.gate.soundgate.lines("decisions", "list", "--request-id", request_id)

    def assert_refused(self, answer, verdict):
        self.assertFalse(answer["done"])
        self.assertEqual(answer["status"], 403, answer)
        self.assertEqual(json.loads(answer["body"])["upload_id"], verdict["upload_id"])

    def test_a_clean_upload_that_is_paused_and_resumed_arrives(self):
        path = self.other.path
        size = path.stat().st_size
        paused = self.send(path, "clean", stop_after_bytes=size // 3)
        self.assertTrue(paused["stopped"])
        self.assertEqual(self.gate.appliance.status()["dataplane"]["resumable"]["open"], 1)
        again = self.send(path, "clean", url=paused["url"], stop_after_bytes=2 * size // 3)
        self.assertTrue(again["stopped"])
        done = self.send(path, "clean", url=paused["url"])
        self.assertTrue(done["done"], done)
        self.assertEqual(done["requests"][0], "HEAD")
        self.assertEqual(digest(self.stored(paused["url"])), digest(path))
        verdict = self.gate.appliance.decision("clean")
        request = verdict["request"]
        self.assertEqual((verdict["verdict"], verdict["checked"], verdict["reason"]),
                         ("pass", "full", "no_match"), verdict)
        self.assertEqual(verdict["bytes"], size)
        self.assertGreaterEqual(request["parts"], size // CHUNK_BYTES)
        self.assertGreaterEqual(request["connections"], 2)
        self.assertTrue(request["resource"].endswith(paused["url"].split("/", 3)[3]))
        self.assertEqual(len(self.rows("clean")), 1)

    def test_one_part_that_is_cut_off_is_resumed_where_the_origin_has_it(self):
        path = self.other.path
        url = self.cut_off(path, "cut")
        self.assertLess(self.stored(url).stat().st_size, path.stat().st_size)
        self.assertGreater(self.stored(url).stat().st_size, 0)
        done = self.send(path, "cut", url=url, chunk_bytes=None)
        self.assertTrue(done["done"], done)
        self.assertEqual(digest(self.stored(url)), digest(path))
        verdict = self.gate.appliance.decision("cut")
        self.assertEqual((verdict["verdict"], verdict["checked"]), ("pass", "full"), verdict)
        self.assertEqual(verdict["request"]["parts"], 2)

    def test_a_banned_upload_is_refused_until_a_suppression_lifts_it(self):
        path = self.banned.path
        size = path.stat().st_size
        paused = self.send(path, "banned", stop_after_bytes=size // 4)
        refused = self.send(path, "banned", url=paused["url"])
        verdict = self.gate.appliance.decision("banned")
        self.assert_refused(refused, verdict)
        self.assertEqual((verdict["verdict"], verdict["enforced"], verdict["reason"]),
                         ("block", True, "match"))
        self.assertEqual(verdict["matches"][0]["asset"]["title"], self.banned.title)
        self.assertLess(self.stored(paused["url"]).stat().st_size, size)
        for _ in range(3):
            self.assert_refused(self.send(path, "banned", url=paused["url"]), verdict)
        self.assertEqual(len(self.rows("banned")), 1)
        self.assertLess(self.stored(paused["url"]).stat().st_size, size)

        content_id = verdict["matches"][0]["asset"]["id"]
        self.gate.soundgate.run("item", "suppress", "spam", content_id, "--reason", "licensed",
                                check=True)
        done = self.send(path, "banned", url=paused["url"])
        self.assertTrue(done["done"], done)
        self.assertEqual(digest(self.stored(paused["url"])), digest(path))
        last = self.rows("banned")[-1]
        self.assertEqual((last["verdict"], last["reason"]), ("flag", "partial_upload"))

    def test_an_operator_releases_a_banned_upload(self):
        path = self.banned_too.path
        refused = self.send(path, "released")
        verdict = self.gate.appliance.decision("released")
        self.assert_refused(refused, verdict)
        self.gate.soundgate.run("uploads", "release", verdict["upload_id"], check=True)
        again = self.gate.soundgate.run("uploads", "release", verdict["upload_id"])
        self.assertEqual(again.returncode, 3)

    def test_parts_for_an_object_store_are_blocked_or_flagged(self):
        # nginx takes each for a file of its own; @tus/server has no concatenation.
        clean, banned = self.other.path, self.banned_too.path
        answer = self.gate.client.put(clean, "part?partNumber=1&uploadId=x", "clean part")
        self.assertIn(answer.status, (201, 204))
        verdict = self.gate.appliance.decision("clean part")
        self.assertEqual((verdict["verdict"], verdict["reason"]), ("flag", "partial_upload"))
        self.assertEqual(verdict["request"]["resource"], f"{ORIGIN_IPV4}/part")
        answer = self.gate.client.put(banned, "part?partNumber=2&uploadId=x", "banned part")
        self.assertEqual(answer.status, 403)
        self.assertEqual(self.gate.appliance.decision("banned part")["reason"], "match")


class TusOnSeveralLcores(Tus):
    """Connections of one client are on one lcore there, and so are the parts of its uploads."""

    options = {"settings": {**Tus.options["settings"],
                            "dataplane": {"queue_pairs": 4, "share_by": "addresses"}}}


if __name__ == "__main__":
    if not (PACKAGES / "fetched").exists():
        print("skipped: npm could not fetch the client and the server", file=sys.stderr)
        sys.exit(e2e.SKIPPED)
    e2e.main()
