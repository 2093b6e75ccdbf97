"""The ways in which HTTP/1.1 clients send uploads, over IPv4 and IPv6."""

import e2e
from testbed.uploads import BLOCK, PASS, Case


class Http(e2e.TestbedCase):
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def assert_both(self, **options):
        """A clean upload passes and a reference is blocked."""
        self.assert_expected([
            self.gate.upload(Case("clean", self.other.path, PASS), **options),
            self.gate.upload(Case("reference", self.reference.path, BLOCK, self.reference.title),
                             **options)])

    def test_ipv6(self):
        self.assert_both(ipv6=True)
        self.assertIn("[fd77::1]", self.gate.soundgate.lines("decisions", "list")[-1]
                      ["request"]["client"])

    def test_expect_100_continue(self):
        self.assert_both(expect_continue=True)

    def test_no_expect(self):
        self.assert_both(expect_continue=False)

    def test_several_uploads_on_one_connection(self):
        names = [f"kept-alive-{number}.ogg" for number in range(4)]
        arguments = []
        for name in names:
            arguments += ["--upload-file", self.other.path, self.gate.client.url(name)]
        answers = self.gate.client.curl(*arguments)
        self.assertEqual([answer.status for answer in answers], [201] * 4)
        self.assertEqual([answer.connections for answer in answers], [1, 0, 0, 0])
        wanted = e2e.bed.digest(self.other.path)
        self.assertEqual([self.gate.origin.digest(name) for name in names], [wanted] * 4)

    def test_a_reference_after_clean_uploads_on_one_connection(self):
        put = ["--upload-file", self.other.path, self.gate.client.url("first.ogg"),
               "--upload-file", self.reference.path, self.gate.client.url("second.ogg")]
        answers = self.gate.client.curl(*put)
        self.assertEqual([answer.status for answer in answers], [201, 403])
        self.assertEqual(answers[1].connections, 0)
        self.assertTrue(self.gate.origin.has("first.ogg"))
        self.assertFalse(self.gate.origin.has("second.ogg"))

    def test_post(self):
        answer = self.gate.client.curl("--request", "POST", "--header", "X-Request-Id: posted",
                                       "--data-binary", f"@{self.reference.path}",
                                       self.gate.client.url("hello"))[0]
        self.assertEqual(answer.status, 403)
        self.assertEqual(self.gate.appliance.decision("posted")["request"]["method"], "POST")

    def test_downloads_and_empty_uploads_pass(self):
        self.assert_expected([self.gate.upload(Case("clean", self.other.path, PASS))])
        answer = self.gate.client.curl(self.gate.client.url("hello"))[0]
        self.assertEqual((answer.status, answer.body), (200, "hello\n"))
        empty = self.gate.folder / "empty"
        empty.touch()
        self.assertEqual(self.gate.client.put(empty, "empty.bin").status, 201)


if __name__ == "__main__":
    e2e.main()
