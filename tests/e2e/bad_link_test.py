"""Uploads over a link that loses, reorders and duplicates frames, on the client's side."""

import re

import e2e
from testbed import repertoire


class BadLink:
    """What is tried on each link. `loss` is the share of frames that get lost, each way."""

    references = e2e.tracks(4, ("wesnoth",))
    others = e2e.tracks(6, ("btanks", "starfighter"))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", *(track.path for track in cls.references))

    def upload_both_kinds(self, others, references, per_reference):
        cases = [*repertoire.clean(others),
                 *repertoire.disguised(e2e.workshop(), references, others,
                                       per_reference=per_reference)]
        outcomes = list(self.gate.upload_all(cases, at_once=8))
        self.assert_expected(outcomes)
        self.assertEqual(self.gate.appliance.status()["dataplane"]["reasons"].get(
            "tcp_conflict", 0), 0, "a retransmission was taken for an overlap that differs")
        self.assert_the_link_was_bad()

    def assert_the_link_was_bad(self):
        """The relay says at its end what it did to each direction."""
        self.gate.network.delete_relays()
        said = re.findall(r"(\d+) frames, (\d+) lost, \d+ duplicated, (\d+) reordered",
                          (self.gate.folder / "relay.log").read_text())
        self.assertEqual(len(said), 2)
        for frames, lost, reordered in (map(int, counts) for counts in said):
            self.assertGreater(lost, self.loss / 2 * frames)
            self.assertGreater(reordered, 0.01 * frames)


def relay(loss):
    return ("--seed", "20261122", "--loss", str(loss), "--reorder", "0.02",
            "--duplicate", "0.005")


class TwoPercent(BadLink, e2e.TestbedCase):
    loss = 0.02
    options = {"relay": relay(loss), "settings": e2e.PATIENT}

    def test_clean_ones_arrive_whole_and_references_are_blocked(self):
        self.upload_both_kinds(self.others, self.references, 3)


class OnePercent(BadLink, e2e.TestbedCase):
    loss = 0.01
    options = {"relay": relay(loss), "settings": e2e.PATIENT}

    def test_clean_ones_arrive_whole_and_references_are_blocked(self):
        self.upload_both_kinds(self.others[:3], self.references[:2], 1)


class Forms(BadLink, e2e.TestbedCase):
    loss = 0.01
    options = {"relay": relay(loss), "settings": e2e.PATIENT}

    def send(self, name, path):
        return self.gate.client.curl("--form", "title=x", "--form", f"file=@{path}", "--form",
                                     "licence=cc", self.gate.client.url(name))[0]

    def test_files_in_forms_do_too(self):
        for number, track in enumerate(self.others):
            name = f"clean-{number}.form"
            self.assertEqual(self.send(name, track.path).status, 201)
            self.assertIn(track.path.read_bytes(),
                          (self.gate.folder / "origin" / name).read_bytes())
        for number, track in enumerate(self.references):
            name = f"banned-{number}.form"
            self.assertEqual(self.send(name, track.path).status, 403)
            self.assertFalse(self.gate.origin.has(name))
        self.assert_the_link_was_bad()


class FivePercent(BadLink, e2e.TestbedCase):
    loss = 0.05
    options = {"relay": relay(loss), "settings": e2e.PATIENT}

    def test_clean_ones_arrive_whole_and_references_are_blocked(self):
        self.upload_both_kinds(self.others[:3], self.references[:2], 1)


if __name__ == "__main__":
    e2e.main()
