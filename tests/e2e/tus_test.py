"""Resumable uploads: tus-js-client and @tus/server, in many parts and over many connections."""

import json
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
        self.assertGreaterEqual(request["connections"], 3)
        self.assertTrue(request["resource"].endswith(paused["url"].split("/", 3)[3]))
        self.assertEqual(len(self.rows("clean")), 1)

    def test_one_part_that_is_cut_off_is_resumed_where_the_origin_has_it(self):
        path = self.other.path
        paused = self.send(path, "cut", stop_after_bytes=path.stat().st_size // 2,
                           chunk_bytes=None)
        done = self.send(path, "cut", url=paused["url"], chunk_bytes=None)
        self.assertTrue(done["done"], done)
        self.assertEqual(digest(self.stored(paused["url"])), digest(path))
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

    def test_what_is_put_together_by_the_origin_is_flagged(self):
        done = self.send(self.other.path, "concatenated", parallel=3, chunk_bytes=None)
        self.assertTrue(done["done"], done)
        self.gate.appliance.decision("concatenated")
        rows = self.rows("concatenated")
        self.assertEqual({(row["verdict"], row["reason"]) for row in rows},
                         {("flag", "partial_upload")})
        self.assertEqual(len(rows), 3)

    def test_banned_parts_that_are_to_be_put_together_are_refused(self):
        answer = self.send(self.banned_too.path, "banned parts", parallel=2, chunk_bytes=None)
        self.assertFalse(answer["done"])
        self.assertEqual(answer["status"], 403)
        verdict = self.gate.appliance.decision("banned parts")
        self.assertIn("block", [row["verdict"] for row in self.rows("banned parts")], verdict)


if __name__ == "__main__":
    e2e.main()
