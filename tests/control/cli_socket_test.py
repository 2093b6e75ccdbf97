#!/usr/bin/env python3
"""soundgate --socket: the contract, and what the daemon does for itself."""
import grp
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import threading

import cli_support
from cli_contract import NOBODY, Contract
from cli_support import Daemon, made_up_fingerprint


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class SocketTest(Contract):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon = Daemon(cli_support.ARGUMENTS.programs, cls.folder)
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        code = cls.daemon.stop()
        super().tearDownClass()
        assert code == 0, f"soundgated exited with {code}"

    def backend(self):
        return ["--socket", self.daemon.socket]

    def ask(self, method, target, body=None, headers=None):
        connection = UnixConnection(self.daemon.socket)
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        answer = response.status, response.read().decode()
        connection.close()
        return answer

    def head(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(4096)
            if not piece:
                break
            head += piece
        return head

    def test_no_daemon(self):
        code, _, err = self.run_program(self.program("soundgate"), "--socket", self.folder / "none", "status")
        self.assertEqual(code, 6)
        self.one_message(err, self.folder / "none", "--store")

    def test_store_belongs_to_the_daemon(self):
        code, _, err = self.run_program(self.program("soundgate"), "--store", self.folder / "store", "status")
        self.assertEqual(code, 4)
        self.one_message(err, "in use", self.daemon.process.pid)

    def test_changes_of_a_bank_do_not_undo_each_other(self):
        def change(settings):
            for value in settings:
                status, text = self.ask("PATCH", f"/v1/banks/{self.bank}", json.dumps(value))
                self.assertEqual(status, 200)
                bank = json.loads(text)
                lost.extend(key for key in value if bank[key] != value[key])

        lost = []
        actions = [{"action": action} for action in ("track", "label") * 15]
        seconds = [{"min_seconds": i} for i in range(30)]
        threads = [threading.Thread(target=change, args=(s,)) for s in (actions, seconds)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(lost, [])

    def probe_items(self):
        _, text = self.ask("GET", "/metrics")
        return int(re.search(r"^soundgate_probe_items_total (\d+)$", text, re.M)[1])

    def test_probes_of_a_bank_act_on_the_next_file(self):
        def probe_items_of(*command):
            before = self.probe_items()
            self.run_cli(*command)
            return self.probe_items() - before

        def scan():  # of samples that are not known yet
            samples = tune.read_bytes()
            tune.write_bytes(samples[:-1] + bytes([(samples[-1] + 1) % 256]))
            return "scan", tune

        tune = pathlib.Path(self.folder, "probed.wav")
        tune.write_bytes(pathlib.Path(self.tunes[0]).read_bytes())
        self.assertEqual(probe_items_of(*scan()), 0)
        self.run_cli("bank", "set", self.bank, "--probes", "near")
        near = probe_items_of(*scan())
        self.assertGreater(near, 4 * 200)
        self.assertEqual(probe_items_of("enroll", "--bank", self.bank, self.tunes[0]), 0)
        self.run_cli("bank", "create", "another", "--probes", "wide")
        self.assertGreater(probe_items_of(*scan()), 4 * near)
        self.run_cli("bank", "pause", "another")
        self.assertEqual(probe_items_of(*scan()), near)
        self.run_cli("bank", "resume", "another")
        self.run_cli("bank", "delete", "another")
        self.assertEqual(probe_items_of(*scan()), near)
        self.run_cli("bank", "set", self.bank, "--probes", "off")
        self.assertEqual(probe_items_of(*scan()), 0)

    def test_second_daemon(self):
        done = subprocess.run(self.daemon.command, capture_output=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 4)
        self.one_message(done.stderr.decode(), f"pid {self.daemon.process.pid}", self.daemon.socket)
        self.run_cli("status")  # the first one does not mind

    def test_restart_keeps_everything(self):
        self.run_cli("enroll", "--bank", self.bank, self.tunes[1], "--content-id", "kept")
        self.run_cli("mode", "enforce", "--reason", "kept")
        self.daemon.kill()
        self.assertTrue(self.daemon.socket.exists())  # stale: replaced
        self.daemon.start()
        self.assertEqual(self.run_json("status")[0]["mode"]["reason"], "kept")
        self.assertEqual(self.run_json("scan", self.tunes[1])[0]["matches"][0]["bank_content_id"], "kept")
        self.assertEqual(self.daemon.stop(), 0)
        self.assertFalse(self.daemon.socket.exists())
        self.daemon.start()
        self.assertEqual(len(self.run_json("item", "list", self.bank)), 1)

    def test_what_an_import_has_told_survives(self):
        lines = [json.dumps({"content_id": str(i), "fingerprint": made_up_fingerprint(i)}) + "\n"
                 for i in range(2000)]
        importer = subprocess.Popen(
            [self.program("soundgate"), *map(str, self.backend()), "--json", "enroll", "--bank", self.bank,
             "--fingerprints", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        feeder = threading.Thread(target=self.feed, args=(importer.stdin, "".join(lines).encode()))
        feeder.start()
        told = [json.loads(importer.stdout.readline())["content_id"]]  # some of it has been acknowledged
        self.daemon.kill()
        told += [json.loads(line)["content_id"] for line in importer.stdout]
        feeder.join()
        self.assertEqual(importer.wait(timeout=20), 6)
        self.one_message(importer.stderr.read().decode(), "soundgated")
        importer.stdout.close()
        importer.stderr.close()
        self.daemon.start()
        kept = {item["content_id"] for item in self.run_json("item", "list", self.bank)}
        self.assertLess(len(told), 2000)
        self.assertLessEqual(set(told), kept)
        self.assertEqual(len(kept) % 256, 0)  # a batch is there whole, or not at all

    def feed(self, pipe, data):
        try:
            with pipe:
                pipe.write(data)
        except BrokenPipeError:
            pass

    def test_fingerprints_over_http(self):
        good = json.dumps({"fingerprint": made_up_fingerprint(1)})
        target = f"/v1/banks/{self.bank}/fingerprints"
        status, text = self.ask("POST", target + "?source=x.jsonl&line=7", good + "\nx\n")
        self.assertEqual(status, 200)
        item, error = json.loads(text)["results"]
        self.assertEqual((item["line"], item["title"]), (7, "x.jsonl:7"))
        self.assertEqual((error["line"], error["error"]["code"]), (8, "invalid"))
        status, text = self.ask("POST", target + "?content_id=c", good + good)
        self.assertEqual([("error" in result) for result in json.loads(text)["results"]], [False, True])
        status, text = self.ask("POST", target, "{}" * 5000)
        results = json.loads(text)["results"]
        self.assertEqual((status, len(results)), (200, 4097))
        self.assertIn("too much", results[-1]["error"]["message"])
        for wrong in ("?line=0", "?line=x", "?metadata=[]", "?colour=red"):
            self.assertEqual(self.ask("POST", target + wrong, good)[0], 400)
        self.assertEqual(self.ask("POST", "/v1/banks/nobank/fingerprints", good)[0], 404)
        page = json.loads(self.ask("GET", target)[1])
        self.assertEqual(page["next"], None)
        self.assertEqual([entry["content_id"] for entry in page["items"]], [item["content_id"], "c"]
                         if item["content_id"] < "c" else ["c", item["content_id"]])

    def test_a_file_that_is_no_socket_stays(self):
        path = self.folder / "precious"
        path.write_text("data")
        config = self.folder / "precious.toml"
        config.write_text(f'store = "{self.folder}/other"\n[control]\nsocket = "{path}"\n')
        code, _, err = self.run_program(self.program("soundgated"), "--config", config)
        self.assertEqual(code, 4)
        self.one_message(err, path)
        self.assertEqual(path.read_text(), "data")

    def test_rights(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.daemon.socket).st_mode), 0o660)
        if not cli_support.can_switch_user():
            self.skipTest("needs root, to be somebody else")
        with tempfile.TemporaryDirectory(prefix="sgcli-nobody-") as folder:
            os.chmod(folder, 0o755)
            shutil.copy(self.program("soundgate"), folder)
            soundgate = pathlib.Path(folder) / "soundgate"
            self.folder.chmod(0o755)
            arguments = [soundgate, *self.backend()]
            code, _, err = self.run_program(*arguments, "status", user=NOBODY)
            self.assertEqual(code, 1)
            self.one_message(err, "Permission denied")
            self.daemon.socket.chmod(0o666)  # somebody in the socket's group may look
            self.assertEqual(self.run_program(*arguments, "status", user=NOBODY)[0], 0)
            code, _, err = self.run_program(*arguments, "bank", "create", "mine", user=NOBODY)
            self.assertEqual(code, 1)
            self.one_message(err, "nobody may not POST /v1/banks")
            code, _, err = self.run_program(*arguments, "bank", "export", self.bank, user=NOBODY)
            self.assertEqual(code, 1)
            self.one_message(err, "nobody may not GET")
            self.daemon.socket.chmod(0o660)

    def as_nobody(self, *command, groups=()):
        """Runs something as nobody, in these groups."""
        numbers = [grp.getgrnam(name).gr_gid for name in groups]
        return subprocess.run([str(part) for part in command], capture_output=True, timeout=60, check=False,
                              text=True, user=NOBODY, group=NOBODY, extra_groups=numbers)

    def test_roles(self):
        if not cli_support.can_switch_user():
            self.skipTest("needs root, to be somebody else")
        with tempfile.TemporaryDirectory(prefix="sgcli-nobody-") as folder:
            os.chmod(folder, 0o755)
            shutil.copy(self.program("soundgate"), folder)
            self.folder.chmod(0o755)
            self.daemon.socket.chmod(0o666)
            soundgate = [pathlib.Path(folder) / "soundgate", *self.backend()]
            curate = [*soundgate, "bank", "create", "roles-mine"]
            switch = [*soundgate, "mode", "observe", "--reason", "roles"]
            delete = [*soundgate, "bank", "delete", "roles-mine"]
            for groups, allowed in (([], []), ([cli_support.CURATORS], [curate]),
                                    ([cli_support.OPERATORS], [switch]),
                                    ([cli_support.ADMINS, cli_support.CURATORS], [switch, delete])):
                for command in (curate, switch, delete):
                    done = self.as_nobody(*command, groups=groups)
                    if command in allowed:
                        self.assertEqual(done.returncode, 0, done.stderr)
                    elif "may not" not in done.stderr:
                        # An operator curates too: what is there already is what stops it.
                        self.assertIn("roles-mine", done.stderr)
            self.daemon.socket.chmod(0o660)

    # What people sent is for admins; whoever keeps the appliance going may end it.
    def test_captures_are_for_admins(self):
        if not cli_support.can_switch_user():
            self.skipTest("needs root, to be somebody else")
        with tempfile.TemporaryDirectory(prefix="sgcli-nobody-") as folder:
            os.chmod(folder, 0o755)
            shutil.copy(self.program("soundgate"), folder)
            mine = pathlib.Path(folder) / "mine"
            mine.mkdir()
            os.chown(mine, NOBODY, NOBODY)
            self.folder.chmod(0o755)
            self.daemon.socket.chmod(0o666)
            soundgate = [pathlib.Path(folder) / "soundgate", *self.backend(), "capture"]
            begin = [*soundgate, "--client", "192.0.2.7", "--output", mine / "file", "--reason", "x"]
            for groups, said in (([], "may not POST"), ([cli_support.OPERATORS], "may not POST"),
                                 ([cli_support.ADMINS], "no packets")):
                done = self.as_nobody(*begin, groups=groups)
                self.assertIn(said, done.stderr)
                self.assertEqual(list(mine.iterdir()), [])
            for groups, said in (([], "may not DELETE"), ([cli_support.OPERATORS], "no packets")):
                self.assertIn(said, self.as_nobody(*soundgate, "stop", "x", groups=groups).stderr)
            self.assertEqual(self.as_nobody(*soundgate, "list").returncode, 0)
            self.daemon.socket.chmod(0o660)

    # Who makes a backup writes it: it is theirs, and they see nothing else of the daemon's.
    def test_a_backup_needs_no_right_to_the_store(self):
        if not cli_support.can_switch_user():
            self.skipTest("needs root, to be somebody else")
        with tempfile.TemporaryDirectory(prefix="sgcli-nobody-") as folder:
            os.chmod(folder, 0o755)
            shutil.copy(self.program("soundgate"), folder)
            mine = pathlib.Path(folder) / "mine"
            mine.mkdir()
            os.chown(mine, NOBODY, NOBODY)
            self.folder.chmod(0o755)
            self.daemon.socket.chmod(0o666)
            soundgate = [pathlib.Path(folder) / "soundgate", *self.backend()]
            version = self.run_json("index", "status")[0]["version"]
            for words in (["backup", mine / "copy.db"], ["index", "merge"], ["index", "verify"],
                          ["index", "rollback", "--to", version, "--dry-run"]):
                done = self.as_nobody(*soundgate, *words)
                self.assertEqual(done.returncode, 1)
                self.assertIn("may not", done.stderr)
            self.assertEqual(list(mine.iterdir()), [])
            done = self.as_nobody(*soundgate, "index", "rollback", "--to", version,
                                  groups=[cli_support.OPERATORS])
            self.assertIn("may not", done.stderr)
            done = self.as_nobody(*soundgate, "backup", mine / "copy.db", groups=[cli_support.OPERATORS])
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual([(p.name, p.stat().st_uid, p.stat().st_mode & 0o777) for p in mine.iterdir()],
                             [("copy.db", NOBODY, 0o600)])
            self.assertEqual([p.name for p in (self.folder / "store").glob(".backup*")], [])
            self.assertEqual(self.as_nobody("cat", self.folder / "store" / "catalogue.db").returncode, 1)
            self.daemon.socket.chmod(0o660)

    def test_lookers_do_not_lock_out_operators(self):
        if not cli_support.can_switch_user():
            self.skipTest("needs root, to be somebody else")
        hold = ("import socket, sys\n"
                "held = [socket.socket(socket.AF_UNIX) for _ in range(20)]\n"
                "for one in held: one.connect(sys.argv[1])\n"
                "print('held', flush=True)\n"
                "sys.stdin.read()\n")
        self.folder.chmod(0o755)
        self.daemon.socket.chmod(0o666)
        looker = subprocess.Popen(["python3", "-c", hold, str(self.daemon.socket)], user=NOBODY, group=NOBODY,
                                  extra_groups=[], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.assertEqual(looker.stdout.readline(), b"held\n")
            self.run_cli("mode", "observe", "--reason", "they must not keep me out")
        finally:
            looker.communicate()
            self.daemon.socket.chmod(0o660)

    def test_a_head_that_is_too_large(self):
        metadata = json.dumps({"text": "x" * 20000})
        _, err = self.run_cli("enroll", "--bank", self.bank, "--metadata", metadata, self.tunes[0], exit=2)
        self.one_message(err, "larger than 16 KiB", "metadata")

    def test_health_and_metrics(self):
        self.assertEqual(self.ask("GET", "/livez")[0], 200)
        self.assertEqual(self.ask("GET", "/readyz")[0], 200)
        status, text = self.ask("GET", "/metrics")
        self.assertEqual(status, 200)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) soundgate_\w+ .+|soundgate_\w+(\{.*\})? -?[\d.e+-]+)$')
        self.assertIn("soundgate_decoder_workers 2", text)

    def test_a_damaged_segment_is_reported(self):
        self.daemon.stop()
        (self.folder / "store/segments/900.segment").write_bytes(b"damage")
        self.daemon.start()
        index = self.run_json("status")[0]["index"]
        self.assertIn("900.segment: it is damaged", index["complaints"][0])
        self.assertIn("900.segment: it is damaged", self.run_cli("status")[0])
        self.assertIn("soundgate_index_complaints_total 1", self.ask("GET", "/metrics")[1])
        out, _ = self.run_cli("index", "verify", exit=5)  # the first one tells of it, too
        self.assertIn("900.segment: it is damaged", out)

    def test_errors_are_json(self):
        for method, target, body, status, code in (
                ("GET", "/v1/nonsense", None, 404, "not_found"),
                ("PUT", "/v1/banks", None, 405, "not_found"),
                ("POST", "/v1/banks", "[]", 400, "invalid"),
                ("POST", "/v1/banks", '{"name":"x","color":1}', 400, "invalid"),
                ("POST", "/v1/banks", " " * 300000, 400, "invalid"),
                ("GET", "/v1/decisions?colour=red", None, 400, "invalid"),
                ("GET", "/v1/banks/nobank", None, 404, "not_found")):
            answer = self.ask(method, target, body)
            self.assertEqual(answer[0], status, answer)
            self.assertEqual(json.loads(answer[1])["error"]["code"], code)

    def test_malformed_requests(self):
        for bytes_sent in (b"\0\1\2\3\r\n\r\n", b"GET /v1/status HTTP/1.1\r\nA: " + b"x" * 20000 + b"\r\n\r\n",
                           b"POST /v1/scan HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(20)
                client.connect(str(self.daemon.socket))
                client.sendall(bytes_sent)
                self.assertTrue(self.head(client).startswith(b"HTTP/1.1 400 "))
        self.run_cli("status")

    def test_a_client_that_leaves_mid_file(self):
        tune = pathlib.Path(self.tunes[0]).read_bytes()
        for _ in range(8):  # more than there are producers
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(str(self.daemon.socket))
                client.sendall(b"POST /v1/scan HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(tune))
                client.sendall(tune[:len(tune) // 2])
        self.assertEqual(self.run_json("scan", self.tunes[0])[0]["checked"], "full")

    def test_too_many_connections(self):
        idle = []
        for _ in range(16):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.connect(str(self.daemon.socket))
            idle.append(client)
        _, err = self.run_cli("status", exit=6)
        self.one_message(err, "connections are in use")
        for client in idle:
            client.close()
        for _ in range(50):
            if self.run_program(self.program("soundgate"), *self.backend(), "status")[0] == 0:
                break
        self.run_cli("status")

    def test_expect_continue(self):
        tune = pathlib.Path(self.tunes[0]).read_bytes()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(20)
            client.connect(str(self.daemon.socket))
            client.sendall(b"POST /v1/scan HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(tune))
            self.assertTrue(self.head(client).startswith(b"HTTP/1.1 100 "))
            client.sendall(tune)
            self.assertTrue(self.head(client).startswith(b"HTTP/1.1 200 "))

    def test_top(self):
        out, _ = self.run_cli("top", "--once")
        self.assertRegex(out, r"(?m)^soundgate \S+   (observe|enforce)   ready   up ")
        self.assertIn("decisions  pass ", out)
        _, err = self.run_cli("top", exit=2)
        self.one_message(err, "--once")

    def test_uploads_list(self):
        self.assertEqual(self.run_json("uploads", "list"), [])
        for verb in ("show", "release"):
            _, err = self.run_cli("uploads", verb, "01ABC", exit=3)
            self.one_message(err, "01ABC")


del Contract  # or it would run on its own, too

if __name__ == "__main__":
    cli_support.main()
