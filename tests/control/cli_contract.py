"""What every command does the same on a store and over the socket."""
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import unicodedata

from cli_support import CliTest, can_switch_user, made_up_fingerprint, write_tune

NOBODY = 65534


class Contract(CliTest):
    """backend() says which; the test programs derive from this."""

    def setUp(self):
        self.bank = self.id().rsplit(".", 1)[-1].replace("test_", "").lower()[:60]
        self.run_cli("bank", "create", self.bank, "--action", "block")

    def tearDown(self):
        self.run_cli("bank", "delete", self.bank, "--force")

    def test_banks(self):
        bank, = self.run_json("bank", "set", self.bank, "--action", "track", "--min-seconds", "3")
        self.assertEqual(bank, {"name": self.bank, "action": "track", "probes": "off",
                                "min_seconds": 3.0, "paused": False, "references": 0})
        self.run_cli("bank", "pause", self.bank)
        self.assertIn({**bank, "paused": True}, self.run_json("bank", "list"))
        self.run_cli("bank", "resume", self.bank)
        _, err = self.run_cli("bank", "create", self.bank, exit=4)
        self.one_message(err, self.bank)
        _, err = self.run_cli("bank", "create", "Not A Name", exit=2)
        self.one_message(err, "Not A Name")
        _, err = self.run_cli("bank", "set", self.bank, "--action", "explode", exit=2)
        self.one_message(err, "action", "explode")
        _, err = self.run_cli("bank", "set", "nobank", "--action", "track", exit=3)
        self.one_message(err, "nobank")
        _, err = self.run_cli("bank", "set", self.bank, exit=2)
        self.one_message(err, "nothing to set")

    def test_skips(self):
        for what in ("192.0.2.0/24", "2001:db8::7", "*.example.org"):
            skip, = self.run_json("skip", "add", what, "--for", "2h", "--reason", "moving house")
            self.assertEqual((skip["what"], skip["reason"]), (what, "moving house"))
        self.run_cli("skip", "add", "192.0.2.0/24", "--for", "3h")  # replaces the first
        skips = self.run_json("skip", "list")
        self.assertEqual([skip["what"] for skip in skips],
                         ["*.example.org", "192.0.2.0/24", "2001:db8::7"])
        self.assertEqual(skips[1]["reason"], "")
        for skip in skips:
            self.run_cli("skip", "remove", skip["what"])
        self.assertEqual(self.run_json("skip", "list"), [])
        _, err = self.run_cli("skip", "remove", "192.0.2.0/24", exit=3)
        self.one_message(err, "192.0.2.0/24")
        for what, span in (("192.0.2.0/33", "2h"), ("a b", "2h"), ("host", "31d"), ("host", "soon"),
                           ("host", "2020-01-01")):
            _, err = self.run_cli("skip", "add", what, "--for", span, exit=2)
            self.one_message(err)
        self.run_cli("skip", "add", "host", exit=2)

    def test_nothing_to_capture(self):
        path = self.folder / "none.pcapng"
        capture = ["capture", "--output", path, "--reason", "to see it refused"]
        on_store = "--store" in map(str, self.backend())
        _, err = self.run_cli(*capture, "--client", "192.0.2.7", exit=2 if on_store else 6)
        self.one_message(err, "no packets")
        self.run_cli(*capture, exit=2)
        self.run_cli("capture", "--client", "192.0.2.7", "--output", path, exit=2)  # no reason
        self.run_cli(*capture, "--client", "192.0.2.7", "--max-bytes", "lots", exit=2)
        _, err = self.run_cli("capture", "stop", exit=2 if on_store else 3)
        self.one_message(err)
        self.assertFalse(path.exists())
        self.assertEqual(self.run_json("capture", "list"), [])

    def test_nothing_to_drain(self):
        _, err = self.run_cli("drain", exit=6)
        self.one_message(err, "no packets")
        _, err = self.run_cli("drain", "--wait", "soon", exit=2)
        self.one_message(err, "soon")

    def test_enroll_scan_suppress(self):
        item, = self.run_json("enroll", "--bank", self.bank, self.tunes[0],
                              "--metadata", '{"artist": "A"}')
        digest = hashlib.sha256(pathlib.Path(self.tunes[0]).read_bytes()).hexdigest()
        self.assertEqual(item["content_id"], digest)
        self.assertEqual(item["title"], "tune 0.wav")
        self.assertEqual(item["replaced"], False)
        self.assertTrue(self.run_json("enroll", "--bank", self.bank, self.tunes[0],
                                      "--metadata", '{"artist": "A"}')[0]["replaced"])
        _, err = self.run_cli("bank", "delete", self.bank, exit=4)
        self.one_message(err, self.bank)

        hit, miss = self.run_json("scan", self.tunes[0], self.tunes[1])
        self.assertEqual([hit["path"], miss["path"]], self.tunes[:2])
        self.assertEqual((hit["verdict"], hit["reason"], hit["checked"]), ("block", "match", "full"))
        self.assertEqual(hit["matches"][0]["bank_content_id"], digest)
        self.assertEqual(hit["matches"][0]["asset"]["artist"], "A")
        self.assertGreater(hit["matches"][0]["query_match_duration_seconds"], 20)
        self.assertEqual((miss["verdict"], miss["reason"], miss["matches"]), ("pass", "no_match", []))
        out, _ = self.run_cli("scan", self.tunes[0])
        self.assertRegex(out, r"^block  enroll_scan_suppress/“tune 0\.…  matched 0:30 of 0:30 .*tune 0.wav\n$")

        self.run_cli("scan", "--fail-on", "block", self.tunes[0], exit=10)
        self.run_cli("scan", "--fail-on", "block", self.tunes[1], exit=0)
        self.run_cli("item", "suppress", self.bank, digest, "--reason", "wrong", "--until", "7d")
        shown, = self.run_json("item", "show", self.bank, digest)
        self.assertEqual(shown["suppression"]["reason"], "wrong")
        self.assertEqual(self.run_json("scan", self.tunes[0])[0]["verdict"], "pass")
        self.run_cli("item", "restore", self.bank, digest)
        self.assertEqual(self.run_json("scan", self.tunes[0])[0]["verdict"], "block")
        self.run_cli("item", "remove", self.bank, digest)
        self.assertEqual(self.run_json("item", "list", self.bank), [])
        _, err = self.run_cli("item", "suppress", self.bank, digest, "--reason", "x", exit=3)
        self.one_message(err, digest)

    def import_made_up(self, *names):
        path = self.folder / f"{self.bank}.jsonl"
        path.write_text("".join(json.dumps({"content_id": name, "algorithm": 1,
                                            "fingerprint": made_up_fingerprint(name)}) + "\n"
                                for name in names))
        return self.run_json("enroll", "--bank", self.bank, "--fingerprints", path)

    def content_ids(self):
        return [item["content_id"] for item in self.run_json("item", "list", self.bank)]

    def test_rollback(self):
        self.import_made_up("a", "b")
        then = self.run_json("index", "status")[0]["version"]
        self.run_cli("item", "remove", self.bank, "a")
        self.import_made_up("c")
        self.run_cli("bank", "set", self.bank, "--action", "label")
        planned, = self.run_json("index", "rollback", "--to", then, "--dry-run")
        self.assertEqual((planned["to"], planned["version"], planned["dry_run"]), (then, then + 3, True))
        self.assertEqual([g["content_id"] for g in planned["goes"]], ["c"])
        self.assertEqual(planned["returns"], [{"bank": self.bank, "content_id": "a", "title": f"{self.bank}.jsonl:1"}])
        self.assertEqual([(b["name"], b["action"]) for b in planned["banks_changed"]], [(self.bank, "block")])
        self.assertEqual(self.content_ids(), ["b", "c"])
        out, _ = self.run_cli("index", "rollback", "--to", then)
        self.assertIn(f"rolled back to version {then}: 1 references go, 1 return; it is version {then + 4}", out)
        self.assertRegex(out, rf"returns  {self.bank}/a ")
        self.assertEqual(self.content_ids(), ["a", "b"])
        status, = self.run_json("index", "status")
        self.assertEqual(status["version"], then + 4)
        self.assertGreaterEqual(status["kept_references"], 2)
        _, err = self.run_cli("index", "rollback", "--to", "999999", exit=3)
        self.one_message(err, "no version 999999 yet")
        _, err = self.run_cli("index", "rollback", "--to", "2001-02-03", exit=3)
        self.one_message(err, "no version yet at that time")
        _, err = self.run_cli("index", "rollback", "--to", "yesterday", exit=2)
        self.one_message(err, "to:")
        self.run_cli("index", "rollback", exit=2)

    def test_merge_and_verify(self):
        self.import_made_up("a", "b")
        merged, = self.run_json("index", "merge")
        self.assertEqual([bool(s["file"]) for s in merged["segments"]], [True])
        self.assertEqual(merged["dead_windows"], 0)
        self.assertIsNotNone(merged["merged"])
        self.assertEqual(merged["one_band_references"], 2)  # there is no audio that they are made of
        out, _ = self.run_cli("index", "status")
        self.assertIn("2 have one band of three", out)
        self.assertIn(merged["segments"][0]["file"], out)
        report, = self.run_json("index", "verify")
        self.assertEqual((report["segments"], report["damage_count"], report["damage"]), (1, 0, []))
        out, _ = self.run_cli("index", "verify")
        self.assertIn("all as it was written", out)
        path = self.folder / "store" / "segments" / merged["segments"][0]["file"]
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        with open(path, "r+b") as file:
            file.write(content)
        out, err = self.run_cli("index", "verify", exit=5)
        self.one_message(err, "damaged in 1 places")
        self.assertIn(str(path), out)
        self.assertIn("1 segments made again", out)
        self.assertEqual(self.run_json("index", "verify")[0]["damage_count"], 0)
        self.assertIsNotNone(self.run_json("index", "status")[0]["verified"])

    def test_backup(self):
        self.import_made_up("a", "b")
        self.run_cli("item", "suppress", self.bank, "b", "--reason", "wrong")
        folder = self.folder / f"restored-{self.bank}"
        folder.mkdir()
        told, = self.run_json("backup", folder / "catalogue.db")
        self.assertEqual(told, {"file": str(folder / "catalogue.db"),
                                "bytes": (folder / "catalogue.db").stat().st_size})
        self.assertEqual([p.name for p in folder.iterdir()], ["catalogue.db"])
        _, err = self.run_cli("backup", folder / "catalogue.db", exit=4)
        self.one_message(err, folder / "catalogue.db", "--force")
        out, _ = self.run_cli("backup", "--force", folder / "catalogue.db")
        self.assertIn(f"backed up to {folder}/catalogue.db", out)
        _, err = self.run_cli("backup", self.folder / "no" / "such" / "place", exit=1)
        self.one_message(err, "No such file")
        os.mkfifo(folder / "pipe")
        _, err = self.run_cli("backup", "--force", folder / "pipe", exit=4)
        self.one_message(err, "is no file")
        (folder / "lock").touch()  # as a store has
        _, err = self.run_cli("backup", "--force", folder / "catalogue.db", exit=4)
        self.one_message(err, "belongs to a store")
        (folder / "lock").unlink()
        (folder / "pipe").unlink()
        # A store opened from it is the same.
        there = [self.program("soundgate"), "--store", folder, "--json"]
        for command in (["item", "list", self.bank], ["bank", "export", self.bank]):
            self.assertEqual([json.loads(line) for line in self.run_program(*there, *command)[1].splitlines()],
                             self.run_json(*command))
        status = json.loads(self.run_program(*there, "index", "status")[1])
        self.assertEqual(status["version"], self.run_json("index", "status")[0]["version"])

    def fpcalc(self, *arguments):
        # 1.5.1 takes the end of each file for an error, and exits with 3.
        return subprocess.run(["fpcalc", "-json", *arguments], capture_output=True, check=False).stdout

    def test_export_and_import(self):
        self.run_cli("enroll", "--bank", self.bank, self.tunes[0], "--content-id", "a/ä",
                     "--metadata", '{"artist": "B", "isrc": ["x", 1.5, null]}')
        self.run_cli("enroll", "--bank", self.bank, self.tunes[1], "--title", "T “1”")
        self.run_cli("enroll", "--bank", self.bank, self.tunes[2], "--content-id", "disputed")
        self.run_cli("item", "suppress", self.bank, "disputed", "--reason", "wrong", "--until", "7d")
        exported, _ = self.run_cli("bank", "export", self.bank)
        lines = [json.loads(line) for line in exported.splitlines()]
        self.assertEqual([line["title"] for line in lines], ["T “1”", "tune 0.wav", "tune 2.wav"])
        self.assertEqual(lines[1]["metadata"], {"artist": "B", "isrc": ["x", 1.5, None]})
        self.assertEqual(lines[1]["suppression"], None)
        self.assertEqual(lines[2]["suppression"]["reason"], "wrong")
        path = self.folder / f"{self.bank}.jsonl"
        for line in lines:
            self.assertLessEqual({"fingerprint", "bass", "treble"}, line.keys())
        path.write_text(exported)

        # Into another store: the same, and it does the same.
        other = [self.program("soundgate"), "--store", self.folder / f"store-{self.bank}", "--json"]
        self.run_program(*other, "bank", "create", self.bank, "--action", "block")
        for replaced in (False, True):
            code, out, err = self.run_program(*other, "enroll", "--bank", self.bank, "--fingerprints", path)
            self.assertEqual((code, err), (0, ""))
            items = [json.loads(line) for line in out.splitlines()]
            self.assertEqual([item["line"] for item in items], [1, 2, 3])
            for item, line in zip(items, lines):
                self.assertEqual(item["path"], str(path))
                self.assertEqual((item["content_id"], item["title"], item["duration_seconds"]),
                                 (line["content_id"], line["title"], line["duration"]))
                self.assertEqual(item["replaced"], replaced)
            self.assertEqual([item["warnings"] for item in items], [[], [], ["suppressed"]])
            self.assertEqual(self.run_program(*other, "bank", "export", self.bank)[1], exported)
        code, out, _ = self.run_program(*other, "scan", *self.tunes)
        verdicts = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([v["verdict"] for v in verdicts], ["block", "block", "pass", "pass"])
        for here, there in zip(self.run_json("scan", *self.tunes), verdicts):
            for match in here["matches"] + there["matches"]:
                match.pop("policy_version")  # the daemon's configuration has one of its own
            self.assertEqual(here["matches"], there["matches"])
        _, err = self.run_cli("bank", "export", "nobank", exit=3)
        self.one_message(err, "nobank")

    def test_what_fpcalc_prints(self):
        compressed, raw = self.fpcalc(self.tunes[0]), self.fpcalc("-raw", self.tunes[0])
        part = self.fpcalc("-length", "10", self.tunes[1])
        items = json.loads(raw)["fingerprint"]
        digest = hashlib.sha256(struct.pack(f"<{len(items)}I", *items)).hexdigest()
        signed = json.dumps([item - 2**32 if item >= 2**31 else item for item in items], indent=1)
        again = b'{"fingerprint":' + signed.encode() + b'}{"fingerprint":' + signed.encode() + b"}"
        enrolled = self.run_json("enroll", "--bank", self.bank, "--fingerprints", "-",
                                 stdin=compressed + raw + part + again)
        self.assertEqual([item["content_id"] == digest for item in enrolled],
                         [True, True, False, True, True])
        self.assertEqual([item["replaced"] for item in enrolled], [False, True, False, True, True])
        self.assertEqual([item["warnings"] for item in enrolled], [[], [], ["partial"], [], []])
        self.assertEqual([item["line"] for item in enrolled], [1, 2, 3, 4, 4 + signed.count("\n")])
        self.assertEqual(enrolled[0]["title"], "standard input:1")
        self.assertEqual([item["duration_seconds"] for item in enrolled[:3]], [30, 30, 30])
        self.assertAlmostEqual(enrolled[3]["duration_seconds"], 30, delta=0.13)  # derived: a hop
        hit, part, miss = self.run_json("scan", *self.tunes[:3])
        self.assertEqual(hit["matches"][0]["bank_content_id"], digest)
        self.assertGreater(hit["matches"][0]["query_match_duration_seconds"], 25)
        self.assertLess(part["matches"][0]["query_match_duration_seconds"], 11)
        self.assertEqual(miss["matches"], [])

        item, = self.run_json("enroll", "--bank", self.bank, "--fingerprints", "-", "--title", "T",
                              "--content-id", "c", "--metadata", '{"artist": "A"}', stdin=compressed)
        self.assertEqual((item["content_id"], item["title"], item["warnings"]), ("c", "T", []))
        shown, = self.run_json("item", "show", self.bank, "c")
        self.assertEqual(shown["metadata"], {"artist": "A"})
        item, = self.run_json("enroll", "--bank", self.bank, "--fingerprints", "-", "--overlaps",
                              "--content-id", "d", stdin=compressed)
        self.assertIn("overlaps c", item["warnings"])
        _, err = self.run_cli("enroll", "--bank", self.bank, "--fingerprints", "-", "--title", "T",
                              stdin=raw + compressed, exit=2)
        self.one_message(err, "standard input has several")

    def test_bad_fingerprints(self):
        good = {"fingerprint": made_up_fingerprint(1)}
        text = json.loads(self.fpcalc(self.tunes[0]))["fingerprint"]
        bad = [("DURATION=214", "no JSON object"), ({"duration": 3}, "fingerprint must be"),
               ({"fingerprint": []}, "no items"), ({**good, "bass": [1], "treble": [1]}, "as many items"),
               ({**good, "treble": made_up_fingerprint(2)}, "bass"), ({"fingerprint": "AQAA"}, "cut short"),
               ({"fingerprint": text[:-1]}, "fingerprint"), ({"fingerprint": text + "AAAA"}, "goes on"),
               ({"fingerprint": "Ag" + text[2:]}, "algorithm"), ({"fingerprint": text + "="}, "base64"),
               ({**good, "algorithm": 2}, "algorithm must be 1"), ({**good, "algorithm": "1"}, "algorithm"),
               ({"fingerprint": [1, -2**31 - 1]}, "32 bits"), ({"fingerprint": [2**32]}, "32 bits"),
               ({"fingerprint": [1.5]}, "32 bits"), ({"fingerprint": [0] * 700000}, "24 hours"),
               ({**good, "duration": -1}, "duration"), ({**good, "duration": "3"}, "duration"),
               ({**good, "duration": 86401}, "duration"), ({**good, "metadata": [1]}, "metadata"),
               ({**good, "title": 1}, "title"), ({**good, "title": "x" * 2000}, "title"),
               ({**good, "content_id": "a\nb"}, "content id"), ({**good, "suppression": {}}, "suppression"),
               ({**good, "suppression": {"reason": "x", "until": "soon"}}, "soon"),
               ({**good, "colour": "red"}, "colour"), ('{"fingerprint": [1, 2', "breaks off"),
               ('{"fingerprint": [1, 2}', "not JSON"), ('{"fingerprint": ' + "[" * 99 + "]" * 99 + "}", "64 deep"),
               ('{"fingerprint": "AQAA', "breaks off"), (b'{"fingerprint": [1], "title": "\xff"}', "not JSON")]
        path = self.folder / f"{self.bank}\x1b[2J.jsonl"
        with open(path, "wb") as out:
            for i, (line, _) in enumerate(bad):
                line = json.dumps(line) if isinstance(line, dict) else line
                out.write((line if isinstance(line, bytes) else line.encode()) + b"\n")
                out.write(json.dumps({**good, "content_id": str(i)}).encode() + b"\n")
        out, err = self.run_cli("--json", "enroll", "--bank", self.bank, "--fingerprints", path, exit=1)
        self.assertEqual([json.loads(line)["line"] for line in out.splitlines()],
                         [2 * i + 2 for i in range(len(bad))])
        self.assertEqual(len(self.run_json("item", "list", self.bank)), len(bad))
        messages = err.splitlines()
        self.assertEqual(len(messages), len(bad), err)
        self.assertNotIn("\x1b", err)
        for i, (message, (_, problem)) in enumerate(zip(messages, bad)):
            self.assertIn(f"\\x1b[2J.jsonl:{2 * i + 1}: ", message)
            self.assertIn(problem, message)

        for arguments, exit, *parts in (
                (["--fingerprints", self.folder / "gone"], 1, "cannot open", "gone"),
                (["--fingerprints", "-", self.tunes[0]], 2, "--fingerprints"),
                (["--fingerprints", "-", "--upload", "x"], 2, "--fingerprints"),
                (["--fingerprints", ""], 2, "--fingerprints"), (["--overlaps", self.tunes[0]], 2, "--overlaps"),
                (["--fingerprints", "-", "--metadata", "[1]"], 2, "metadata")):
            _, err = self.run_cli("enroll", "--bank", self.bank, *arguments, exit=exit,
                                  stdin=json.dumps(good).encode())
            self.one_message(err, *parts)
        _, err = self.run_cli("enroll", "--bank", "nobank", "--fingerprints", "-", exit=3)
        self.one_message(err, "nobank")
        self.run_cli("enroll", "--bank", self.bank, "--fingerprints", "-")  # nothing is in it: nothing is wrong

    def test_many_fingerprints(self):
        lines = [json.dumps({"content_id": f"{i:04}", "fingerprint": made_up_fingerprint(i, 100)})
                 for i in range(700)]
        lines[500] = lines[500] + "\n" * 5_000_000  # more than a batch
        out, _ = self.run_cli("enroll", "--bank", self.bank, "--fingerprints", "-",
                              stdin="\n".join(lines).encode())
        self.assertEqual(out.count("\n"), 700)
        self.assertIn("“standard input:501”  -:501", out)
        self.assertIn("“standard input:5000502”  -:5000502", out)
        exported, _ = self.run_cli("bank", "export", self.bank)
        self.assertEqual([json.loads(line)["content_id"] for line in exported.splitlines()],
                         [f"{i:04}" for i in range(700)])

    def test_restore_what_was_removed(self):
        for form in ([], ["--json"]):
            self.run_cli("enroll", "--bank", self.bank, self.tunes[0], "--content-id", "gone")
            self.run_cli("item", "suppress", self.bank, "gone", "--reason", "wrong")
            self.run_cli("item", "remove", self.bank, "gone")
            out, _ = self.run_cli(*form, "item", "restore", self.bank, "gone")
            if form:
                self.assertEqual(json.loads(out), {"bank": self.bank, "content_id": "gone",
                                                   "suppression": None})
            else:
                self.assertIn(f"restored {self.bank}/gone", out)

    def test_standard_input(self):
        tune = pathlib.Path(self.tunes[2]).read_bytes()
        item, = self.run_json("enroll", "--bank", self.bank, "-", "--title", "T", "--content-id", "a/b c",
                              stdin=tune)
        self.assertEqual((item["content_id"], item["title"]), ("a/b c", "T"))
        verdict, = self.run_json("scan", "-", stdin=tune)
        self.assertEqual((verdict["path"], verdict["verdict"]), ("-", "block"))
        self.run_cli("item", "remove", self.bank, "a/b c")

    def test_directories(self):
        folder = self.folder / f"album-{self.bank}"
        (folder / "b").mkdir(parents=True)
        tune = pathlib.Path(self.tunes[3]).read_bytes()
        (folder / "b" / "one.wav").write_bytes(tune)
        (folder / "a note.txt").write_text("not audio\n")
        write_tune(folder / "c\x1b[2J.wav", 77, seconds=15)
        os.symlink("/etc/passwd", folder / "link")
        lines = self.run_json("enroll", "--bank", self.bank, folder)
        self.assertEqual([pathlib.Path(line["path"]).name for line in lines],
                         ["a note.txt", "one.wav", "c\x1b[2J.wav"])
        self.assertEqual(lines[0], {"path": str(folder / "a note.txt"), "bank": self.bank,
                                    "skipped": "not_audio"})
        out, _ = self.run_cli("scan", folder)
        self.assertEqual(out.count("\n"), 3)
        self.assertNotIn("\x1b", out)
        self.assertIn("c\\x1b[2J.wav", out)

    def test_names_in_brackets(self):
        name = self.folder / "[a,b]"
        name.write_bytes(pathlib.Path(self.tunes[0]).read_bytes())
        code, out, err = self.run_program(self.program("soundgate"), *self.backend(), "scan", "[a,b]",
                                          self.tunes[1], cwd=self.folder)
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"  \./\[a,b\]\n.*tune 1.wav\n$")

    def test_a_name_that_is_not_utf8(self):
        name = os.fsencode(self.folder) + b"/B\xe4r.wav"
        pathlib.Path(os.fsdecode(name)).write_bytes(pathlib.Path(self.tunes[0]).read_bytes())
        arguments = [self.program("soundgate"), *map(str, self.backend()), "enroll", "--bank", self.bank]
        done = subprocess.run([*arguments, name], capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"B\\xe4r.wav", done.stdout)
        self.assertEqual(self.run_json("item", "list", self.bank)[0]["title"], "B\\xe4r.wav")
        # What the index does not take is said with the file's name.
        _, err = self.run_cli("enroll", "--bank", self.bank, "--title", "x" * 2000, self.tunes[0], exit=2)
        self.one_message(err, self.tunes[0])

    def test_bad_files(self):
        folder = self.folder / f"bad-{self.bank}"
        folder.mkdir()
        (folder / "empty.mp3").write_bytes(b"")
        (folder / "text.mp3").write_text("no sound in here, " * 1000)
        tune = pathlib.Path(self.tunes[0]).read_bytes()
        (folder / "cut.wav").write_bytes(tune[:len(tune) // 2])
        names = ["text.mp3", "empty.mp3", "gone.mp3", "cut.wav"]
        out, err = self.run_cli("--json", "scan", *[folder / name for name in names], exit=1)
        self.one_message(err, "cannot open", folder / "gone.mp3", "No such file or directory")
        verdicts = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([pathlib.Path(v["path"]).name for v in verdicts],
                         ["text.mp3", "empty.mp3", "cut.wav"])
        self.assertEqual([v["verdict"] for v in verdicts], ["pass"] * 3)
        self.assertEqual(verdicts[0]["reason"], "not_audio")
        self.assertEqual([v["checked"] for v in verdicts[:2]], ["none", "none"])
        self.run_cli("scan", "--fail-on", "label", folder / "text.mp3", exit=0)

        for name in ("text.mp3", "empty.mp3"):
            _, err = self.run_cli("enroll", "--bank", self.bank, folder / name, exit=1)
            self.one_message(err, folder / name)
        self.assertEqual(self.run_json("item", "list", self.bank), [])
        # One bad file does not keep the good ones out.
        out, err = self.run_cli("enroll", "--bank", self.bank, folder / "gone.mp3", self.tunes[0], exit=1)
        self.one_message(err, "gone.mp3")
        self.assertEqual(len(self.run_json("item", "list", self.bank)), 1)

    def test_unknown_bank(self):
        _, err = self.run_cli("enroll", "--bank", "nobank", self.tunes[0], exit=3)
        self.one_message(err, "nobank")
        _, err = self.run_cli("item", "list", "nobank", exit=3)
        self.one_message(err, "nobank")

    def test_usage(self):
        for arguments in (["explode"], [], ["scan"], ["bank"], ["mode", "observe"],
                          ["scan", "--nonsense", "x"], ["enroll", self.tunes[0]],
                          ["enroll", "--bank", self.bank],
                          ["enroll", "--bank", self.bank, "--title", "T", *self.tunes[:2]],
                          ["enroll", "--bank", self.bank, "--metadata", "[1]", self.tunes[0]],
                          ["scan", "--fail-on", "explode", self.tunes[0]],
                          ["decisions", "list", "--verdict", "maybe"],
                          ["decisions", "list", "--since", "soon"],
                          ["decisions", "list", "--limit", "0"],
                          ["item", "suppress", self.bank, "x", "--reason", ""],
                          ["mode", "strict", "--reason", "x"]):
            _, err = self.run_cli(*arguments, exit=2)
            self.one_message(err)
        out, _ = self.run_cli("--help")
        self.assertIn("enroll", out)

    def test_empty_values(self):
        tune = self.tunes[0]
        for arguments in (["scan", "--fail-on", "", tune], ["scan", ""],
                          ["enroll", "--bank", self.bank, "--content-id", "", tune],
                          ["enroll", "--bank", self.bank, "--upload", "", tune],
                          ["bank", "set", self.bank, "--action", ""], ["bank", "pause", ""],
                          ["item", "show", self.bank, ""],
                          ["item", "suppress", self.bank, "x", "--reason", "r", "--until", ""],
                          ["decisions", "list", "--request-id", ""], ["decisions", "show", ""]):
            _, err = self.run_cli(*arguments, exit=2)
            self.one_message(err, "must not be empty")

    def test_an_id_that_begins_with_a_dash(self):
        self.run_cli("enroll", "--bank", self.bank, "--content-id=-x", self.tunes[0])
        self.run_cli("item", "suppress", "--reason", "wrong", "--", self.bank, "-x")
        self.assertEqual(self.run_json("item", "show", "--", self.bank, "-x")[0]["suppression"]["reason"],
                         "wrong")

    def test_wide_titles_line_up(self):
        titles = ["曲の名前", "plain", "e\u0301tude"]
        for i, title in enumerate(titles):
            self.run_cli("enroll", "--bank", self.bank, "--title", title, "--content-id", i, self.tunes[i])
        lines = self.run_cli("item", "list", self.bank)[0].splitlines()
        columns = [sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c)
                       for c in line[:line.index("0:30")]) for line in lines[1:]]
        self.assertEqual(columns, [lines[0].index("LENGTH")] * 3)

    def test_json_moves_no_cursor(self):
        name = self.folder / "a\u009b2J\u202e.wav"
        name.write_text("no sound")
        out, _ = self.run_cli("--json", "scan", name)
        self.assertNotIn("\u009b", out)
        self.assertNotIn("\u202e", out)
        self.assertEqual(json.loads(out)["path"], str(name))

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([self.program("soundgate"), *map(str, self.backend()), "bank", "list"],
                                  stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.one_message(done.stderr.decode(), "cannot write standard output")

    def test_an_empty_place(self):
        for option in ("--store", "--socket"):
            code, _, err = self.run_program(self.program("soundgate"), option, "", "bank", "list")
            self.assertEqual(code, 2)
            self.one_message(err, option, "must not be empty")

    def test_decisions(self):
        self.assertEqual(self.run_json("decisions", "list"), [])
        _, err = self.run_cli("decisions", "show", "01NOPE", exit=3)
        self.one_message(err, "01NOPE")
        _, err = self.run_cli("enroll", "--bank", self.bank, "--upload", "01NOPE", exit=3)
        self.one_message(err, "01NOPE")

    def test_mode_is_remembered(self):
        mode, = self.run_json("mode", "enforce", "--reason", "because\nso")
        self.assertEqual((mode["mode"], mode["reason"]), ("enforce", "because\nso"))
        status, = self.run_json("status")
        self.assertEqual(status["mode"], mode)
        self.assertGreaterEqual(status["index"]["banks"], 1)
        self.run_cli("status")

    def test_global_options_after_the_command(self):
        command, *backend = self.backend()
        code, out, _ = self.run_program(self.program("soundgate"), "bank", "list", command, *backend, "--json")
        self.assertEqual(code, 0)
        json.loads(out.splitlines()[0])

    def test_store_is_not_for_everybody(self):
        store = self.folder / "store"
        for path in [store, *store.rglob("*")]:
            self.assertEqual(path.lstat().st_mode & 0o027, 0, f"{path}: {path.lstat().st_mode:o}")

    def test_unreadable_file(self):
        if not can_switch_user():
            self.skipTest("needs root, to be somebody who may not read")
        secret = self.folder / "secret.wav"
        secret.write_bytes(b"x")
        secret.chmod(0)
        self.folder.chmod(0o755)
        self.check_unreadable(secret)

    def check_unreadable(self, secret):
        pass
