"""Holds the repository to the rules of the house, and the rules to what they are for."""

import shutil
import subprocess
import unittest
from pathlib import Path

import rules

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = (".h", ".cc", ".def")


def repository_files():
    """Paths of what is tracked, or would be."""
    if not shutil.which("git"):
        return files_on_disk()
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={REPOSITORY}", "ls-files", "-z",
         "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode == 0:
        paths = set(listed.stdout.split("\0")) - {""}
        return {path for path in paths if (REPOSITORY / path).exists()}
    return files_on_disk()


def files_on_disk():
    return {str(path.relative_to(REPOSITORY)) for path in REPOSITORY.rglob("*")
            if path.is_file() and path.relative_to(REPOSITORY).parts[0] not in ("build", ".git")}


class Repository(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = repository_files()
        cls.texts = {path: (REPOSITORY / path).read_text() for path in cls.files
                     if path.endswith((*SOURCES, ".md"))}

    def hold(self, rule, *more):
        complaints = [complaint for path, text in sorted(self.texts.items())
                      for complaint in rule(path, text, *more)]
        self.assertEqual(complaints, [], "\n" + "\n".join(complaints))

    def test_rooms_know_only_those_they_may(self):
        self.hold(rules.check_room_edges)

    def test_each_library_stays_in_its_adapter(self):
        self.hold(rules.check_library_homes)

    def test_sources_include_their_own_header_first(self):
        self.hold(rules.check_own_header_first, self.files)

    def test_headers_open_with_what_they_are_for(self):
        self.hold(rules.check_header_opening)

    def test_readmes_name_files_that_are_there(self):
        self.hold(rules.check_named_files, self.files)

    def test_no_two_types_have_one_name(self):
        self.assertEqual(list(rules.check_type_names(self.texts)), [])

    def test_top_level_is_fixed(self):
        self.assertEqual(list(rules.check_top_level(self.files)), [])

    def test_each_room_has_a_readme(self):
        self.assertEqual(list(rules.check_room_readmes(self.files)), [])


class Rules(unittest.TestCase):
    """Each rule objects to what it is there for, and to nothing beside it."""

    def expect(self, count, complaints):
        self.assertEqual(len(list(complaints)), count)

    def test_room_edges(self):
        for path, name, count in (
                ("dataplane/tcp/a.cc", "dataplane/upload.h", 0),
                ("dataplane/tcp/a.cc", "control/log.h", 1),
                ("dataplane/tcp/a.cc", "upload.h", 1),
                ("index/a.cc", "fingerprint/fingerprint.h", 0),
                ("index/a.cc", "fingerprint/decode/decoder_pool.h", 1),
                ("control/a.cc", "index/index.h", 0),
                ("control/a.cc", "tests/support/impairment.h", 1),
                ("tests/index/a.cc", "control/log.h", 0)):
            self.expect(count, rules.check_room_edges(path, f'#include "{name}"\n'))

    def test_library_homes(self):
        for path, name, count in (
                ("dataplane/port/a.cc", "rte_ethdev.h", 0),
                ("dataplane/tcp/a.cc", "rte_ethdev.h", 1),
                ("dataplane/gate/a.cc", "rte_ring.h", 0),
                ("control/api/a.cc", "sqlite3.h", 1),
                ("control/api/a.cc", "vector", 0)):
            self.expect(count, rules.check_library_homes(path, f"#include <{name}>\n"))

    def test_own_header_first(self):
        files = {"index/a.h", "index/a.cc"}
        for text, count in (('#include "index/a.h"\n#include <map>\n', 0),
                            ('#include <map>\n#include "index/a.h"\n', 1)):
            self.expect(count, rules.check_own_header_first("index/a.cc", text, files))
        self.expect(0, rules.check_own_header_first("index/main.cc", "#include <map>\n", files))

    def test_header_opening(self):
        self.expect(0, rules.check_header_opening("index/a.h", "// What it is.\n#pragma once\n"))
        self.expect(2, rules.check_header_opening("index/a.h", "#include <map>\n"))

    def test_named_files(self):
        files = {"index/README.md", "index/search/scan.cc", "deploy/demo.sh"}
        for text, count in (("`search/scan.cc` `scan.cc` `search/` `deploy/demo.sh`", 0),
                            ("`search/scam.cc`", 1), ("`missing/`", 1), ("[x](gone.md)", 1),
                            ("`scan.*`", 0), ("`Content-Length` `a/b` `/run/soundgate/x.h`", 0)):
            self.expect(count, rules.check_named_files("index/README.md", text, files))

    def test_type_names(self):
        def header(namespace, head):
            return f"// What it is.\nnamespace {namespace} {{\n{head} {{\n}};\n}}\n"

        for other, count in ((header("soundgate", "struct A : B"), 1),
                             (header("soundgate::decode", "class A"), 0),
                             (header("soundgate", "class B final"), 0)):
            texts = {"index/a.h": header("soundgate", "class A"), "control/a.h": other}
            self.expect(count, rules.check_type_names(texts))

    def test_top_level(self):
        self.expect(0, rules.check_top_level({"README.md", "index/a.h"}))
        self.expect(2, rules.check_top_level({"notes.md", "docs/a.md"}))

    def test_room_readmes(self):
        self.expect(len(rules.ROOMS) - 1, rules.check_room_readmes({"index/README.md"}))


if __name__ == "__main__":
    unittest.main()
