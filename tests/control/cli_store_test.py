#!/usr/bin/env python3
"""soundgate --store: the contract, and what only a store can get wrong."""
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
import pathlib

import cli_support
from cli_contract import NOBODY, Contract


class StoreTest(Contract):
    def backend(self):
        return ["--store", self.folder / "store"]

    def test_missing_store(self):
        for command in (["scan", self.tunes[0]], ["status"], ["bank", "list"],
                        ["enroll", "--bank", "x", self.tunes[0]]):
            code, _, err = self.run_program(self.program("soundgate"), "--store", self.folder / "none", *command)
            self.assertEqual(code, 3)
            self.one_message(err, self.folder / "none")
        self.assertFalse((self.folder / "none").exists())

    def test_uploads_need_a_daemon(self):
        _, err = self.run_cli("uploads", "list", exit=2)
        self.one_message(err, "--socket")

    def test_store_in_use(self):
        reader, writer = os.pipe()
        holder = subprocess.Popen([self.program("soundgate"), *map(str, self.backend()), "scan", "-"],
                                  stdin=reader, stdout=subprocess.DEVNULL)
        try:
            time.sleep(0.5)  # a question that comes too early may itself keep the holder out
            for _ in range(100):
                code, _, err = self.run_program(self.program("soundgate"), *self.backend(), "status")
                if str(holder.pid) in err:  # it has the store, and has said who it is
                    break
            self.assertEqual(code, 4, err)
            self.one_message(err, "in use", holder.pid)
        finally:
            os.close(reader)
            os.close(writer)
            holder.wait(timeout=20)

    def test_damaged_decisions(self):
        store = self.folder / "damaged"
        self.run_program(self.program("soundgate"), "--store", store, "bank", "create", "b")
        for path in store.glob("decisions.db*"):
            path.write_bytes(b"no database, and longer than a header of one would be: " * 10)
        code, _, err = self.run_program(self.program("soundgate"), "--store", store, "status")
        self.assertEqual(code, 5)
        self.one_message(err, store / "decisions.db", "is damaged")

    def test_decisions_come_in_pages(self):
        path = "/x" * 500
        with sqlite3.connect(self.folder / "store" / "decisions.db") as decisions:
            for i in range(6000):
                verdict = {"upload_id": f"{i:04}", "verdict": "pass", "request": {"path": path}}
                decisions.execute("INSERT INTO decisions VALUES(?, ?, 'pass', 'full', '', ?)",
                                  (f"{i:04}", i, json.dumps(verdict)))
        try:
            for limit in 1, 5999:
                listed = self.run_json("decisions", "list", "--limit", limit)
                self.assertEqual([int(line["upload_id"]) for line in listed],
                                 list(range(6000 - limit, 6000)))
        finally:
            with sqlite3.connect(self.folder / "store" / "decisions.db") as decisions:
                decisions.execute("DELETE FROM decisions")

    def check_unreadable(self, secret):
        # Nobody's own store, so that only the file is out of reach.
        with tempfile.TemporaryDirectory(prefix="sgcli-nobody-") as folder:
            os.chown(folder, NOBODY, NOBODY)
            store = pathlib.Path(folder) / "store"
            soundgate = self.readable_programs(folder)
            self.assertEqual(self.run_program(soundgate, "--store", store, "bank", "create", "b",
                                              user=NOBODY)[0], 0)
            code, out, err = self.run_program(soundgate, "--store", store, "scan", secret, self.tunes[0],
                                              user=NOBODY)
            self.assertEqual(code, 1)
            self.one_message(err, f"cannot open {secret}: Permission denied")
            self.assertEqual(out.count("\n"), 1)

    def readable_programs(self, folder):
        """Copies: the build folder may be out of nobody's reach."""
        for name in ("soundgate", "soundgate-decoder"):
            shutil.copy(self.program(name), folder)
            os.chmod(pathlib.Path(folder) / name, 0o755)
        return pathlib.Path(folder) / "soundgate"

    def test_a_store_is_searched_as_the_daemon_would(self):
        tune = self.tunes[0]
        store = ["--store", self.folder / "as_the_daemon"]
        program = self.program("soundgate")
        self.run_program(program, *store, "bank", "create", "b")
        config = self.folder / "as_the_daemon.toml"
        config.write_text("[decoder]\naudio_seconds_max = 10\n[fail_policy]\ntoo_long = \"block\"\n")
        code, out, err = self.run_program(program, *store, "--json", "scan", tune)
        self.assertEqual((code, json.loads(out)["verdict"]), (0, "pass"), err)
        code, out, err = self.run_program(program, *store, "--config", config, "--json", "scan", tune)
        verdict = json.loads(out)
        self.assertEqual((code, verdict["verdict"], verdict["reason"]), (0, "block", "too_long"), err)
        self.assertNotEqual(verdict["policy_version"], "default")
        config.write_text("[match]\nfalse_positives_per_upload = 2\n")
        code, _, err = self.run_program(program, *store, "--config", config, "scan", tune)
        self.assertEqual(code, 2)
        self.one_message(err, f"{config}:2: key match.false_positives_per_upload")
        code, _, err = self.run_program(program, "--config", config, "scan", tune)
        self.assertEqual(code, 2)
        self.one_message(err, "--store")

    def test_config_check(self):
        good = pathlib.Path(cli_support.ARGUMENTS.source) / "deploy" / "soundgate.toml"
        self.run_cli("config", "check", good)
        bad = self.folder / "bad.toml"
        bad.write_text("[gate]\n\nhold_max_ms = -5\n")
        _, err = self.run_cli("config", "check", bad, exit=2)
        self.one_message(err, f"{bad}:3: key gate.hold_max_ms: must be 1..600000, is -5")
        _, err = self.run_cli("config", "check", self.folder / "gone.toml", exit=2)
        self.one_message(err, "gone.toml", "No such file")
        code, _, err = self.run_program(self.program("soundgated"), "--config", bad)
        self.assertEqual(code, 2)
        self.one_message(err, f"{bad}:3: key gate.hold_max_ms")


del Contract  # or it would run on its own, too

if __name__ == "__main__":
    cli_support.main()
