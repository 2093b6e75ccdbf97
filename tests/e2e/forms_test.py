"""Uploads that do not come as they are: files in forms, and bodies with a coding."""

import gzip
import sys

import e2e
from testbed.process import run
from testbed.uploads import BLOCK, PASS, UNCHECKED, Case

# http.client, with a form in chunks whose ends lie anywhere in it.
CHUNKED_CLIENT = """
import http.client, sys
host, path, *files = sys.argv[1:]
pieces = [b'--b0undary\\r\\nContent-Disposition: form-data; name="t"\\r\\n\\r\\ntitle\\r\\n']
for file in files:
    pieces.append(b'--b0undary\\r\\nContent-Disposition: form-data; name="f"; filename="'
                  + file.encode() + b'"\\r\\n\\r\\n' + open(file, 'rb').read() + b'\\r\\n')
body = b''.join(pieces) + b'--b0undary--\\r\\n'
connection = http.client.HTTPConnection(host, 80, timeout=60)
connection.request('POST', path, iter(body[at:at + 7777] for at in range(0, len(body), 7777)),
                   {'Content-Type': 'multipart/form-data; boundary=b0undary'}, encode_chunked=True)
print(connection.getresponse().status)
"""


class Forms(e2e.TestbedCase):
    reference, = e2e.tracks(1, ("wesnoth",))
    clean, other = e2e.tracks(2, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def send_form(self, name, *files, headers=()):
        arguments = ["--form", "title=Some title"]
        for number, file in enumerate(files):
            arguments += ["--form", f"file{number}=@{file}"]
        for header in headers:
            arguments += ["--header", header]
        return self.gate.client.curl(*arguments, "--form", "license=cc-by",
                                     self.gate.client.url(name))[0]

    def verdicts(self, count):
        """Of the latest uploads, the oldest first."""
        return self.gate.soundgate.lines("decisions", "list")[-count:]

    def stored(self, name):
        return (self.gate.folder / "origin" / name).read_bytes()

    def test_clean_files_and_fields_pass(self):
        for headers in ([], ["Transfer-Encoding: chunked"]):
            with self.subTest(headers=headers):
                answer = self.send_form("clean.form", self.clean.path, self.other.path,
                                        headers=headers)
                self.assertEqual(answer.status, 201 if not headers else 204)
                body = self.stored("clean.form")
                self.assertIn(self.clean.path.read_bytes(), body)
                self.assertIn(self.other.path.read_bytes(), body)
                first, second = self.verdicts(2)
                self.assertEqual((first["verdict"], first["checked"]), ("pass", "full"))
                self.assertEqual((second["verdict"], second["checked"]), ("pass", "full"))
                self.assertEqual((first["request"]["part"], second["request"]["part"]), (2, 3))
                self.assertEqual(first["request"]["file_name"], self.clean.path.name)
                said = self.gate.soundgate.run("decisions", "show", second["upload_id"],
                                               check=True).stdout
                self.assertIn(self.other.path.name, said)

    def test_one_known_file_blocks_the_form(self):
        for headers in ([], ["Transfer-Encoding: chunked"], ["Expect: 100-continue"]):
            for files in ((self.clean.path, self.reference.path),
                          (self.reference.path, self.clean.path)):
                with self.subTest(headers=headers, files=files):
                    answer = self.send_form("blocked.form", *files, headers=headers)
                    self.assertEqual(answer.status, 403)
                    self.assertFalse(self.gate.origin.has("blocked.form"))
                    last = self.verdicts(1)[0]
                    self.assertEqual((last["verdict"], last["enforced"]), ("block", True))
                    self.assertEqual(answer.json()["upload_id"], last["upload_id"])

    def test_a_client_of_another_kind(self):
        for file, status in ((self.clean.path, "201"), (self.reference.path, "403")):
            done = run(*self.gate.client._network.within(
                self.gate.client._network.client, sys.executable, "-c", CHUNKED_CLIENT,
                self.gate.client.url("").split("/")[2], f"/python-{status}", self.other.path, file),
                timeout=90)
            self.assertEqual(done.stdout.strip(), status)
            self.assertEqual(self.gate.origin.has(f"python-{status}"), status == "201")

    def test_a_form_that_is_read_in_two_ways_is_refused(self):
        body = self.gate.folder / "lf.form"
        body.write_bytes(b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nx'
                         b'\n--b\r\nContent-Disposition: form-data; name="g"; filename="y"\r\n\r\n'
                         + self.reference.path.read_bytes() + b'\r\n--b--\r\n')
        answer = self.gate.client.put(body, "lf.form", method="POST",
                                      headers=["Content-Type: multipart/form-data; boundary=b"])
        self.assertEqual(answer.status, 403)
        self.assertEqual(self.verdicts(1)[0]["reason"], "http_ambiguous")
        self.assertFalse(self.gate.origin.has("lf.form"))

    def packed(self, track):
        path = self.gate.folder / (track.path.name + ".gz")
        path.write_bytes(gzip.compress(track.path.read_bytes()))
        return path

    def test_gzip(self):
        gzipped = ["Content-Encoding: gzip"]
        self.assert_expected([
            self.gate.upload(Case("clean", self.packed(self.clean), PASS), headers=gzipped),
            self.gate.upload(Case("reference", self.packed(self.reference), BLOCK,
                                  self.reference.title), headers=gzipped),
            self.gate.upload(Case("in chunks", self.packed(self.reference), BLOCK,
                                  self.reference.title),
                             headers=gzipped + ["Transfer-Encoding: chunked"]),
            self.gate.upload(Case("said to be", self.reference.path, BLOCK, self.reference.title),
                             headers=gzipped)])

    def test_what_cannot_be_inflated_is_flagged(self):
        cut = self.gate.folder / "cut.gz"
        whole = gzip.compress(self.clean.path.read_bytes())
        cut.write_bytes(whole[:len(whole) // 2])
        brotli = self.gate.folder / "brotli"
        brotli.write_bytes(whole)
        self.assert_expected([
            self.gate.upload(Case("cut", cut, UNCHECKED, reasons=("decoder_inflate",)),
                             headers=["Content-Encoding: gzip"]),
            self.gate.upload(Case("another coding", brotli, UNCHECKED,
                                  reasons=("http_unsupported",)),
                             headers=["Content-Encoding: br"])])

    def test_an_origin_that_refuses_to_take_the_body(self):
        large = ["--header", "Expect: 100-continue", "--upload-file", self.clean.path,
                 self.gate.client.url("small/x")]
        answers = self.gate.client.curl(*large, "--upload-file", self.other.path,
                                        self.gate.client.url("after.ogg"))
        self.assertEqual([answer.status for answer in answers], [413, 201])
        self.assertEqual(self.gate.origin.digest("after.ogg"), e2e.bed.digest(self.other.path))


if __name__ == "__main__":
    e2e.main()
