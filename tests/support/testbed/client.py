"""The client: curl in its namespace."""

import json
from dataclasses import dataclass

from .network import ORIGIN_IPV4, ORIGIN_IPV6
from .process import run


@dataclass
class Answer:
    """What curl saw."""
    exit_code: int
    status: int  # 0 where no response came
    body: str
    seconds: float
    connections: int  # that it had to open
    sent_bytes: int  # of the body

    def json(self):
        return json.loads(self.body)


class Client:
    """Thread: any."""

    def __init__(self, network):
        self._network = network

    def put(self, path, name, request_id=None, *, method="PUT", ipv6=False, rate=None,
            expect_continue=None, headers=(), timeout=90):
        """Uploads a file as /name. rate: bytes a second; expect_continue: None leaves it to curl."""
        arguments = ["--upload-file", path, "--request", method]
        if request_id:
            arguments += ["--header", f"X-Request-Id: {request_id}"]
        if rate:
            arguments += ["--limit-rate", rate]
        if expect_continue is not None:
            arguments += ["--header", "Expect: 100-continue" if expect_continue else "Expect:"]
        for header in headers:
            arguments += ["--header", header]
        return self.curl(*arguments, self.url(name, ipv6), timeout=timeout)[0]

    def curl(self, *arguments, timeout=90):
        """One Answer for each URL; all of them share curl's connections."""
        separator = "\x1e"
        report = separator + "%{http_code} %{time_total} %{num_connects} %{size_upload}" + separator
        done = run(*self._network.within(
            self._network.client, "curl", "--silent", "--show-error", "--globoff",
            "--max-time", timeout, "--write-out", report, *arguments),
            check=False, timeout=timeout + 30)
        pieces = done.stdout.split(separator)
        answers = []
        for body, figures in zip(pieces[0::2], pieces[1::2]):
            status, seconds, connections, sent = figures.split()
            answers.append(Answer(done.returncode, int(status), body, float(seconds),
                                  int(connections), int(float(sent))))
        if not answers:
            raise RuntimeError(f"curl: exit {done.returncode}: {done.stderr.strip()}")
        return answers

    @staticmethod
    def url(name, ipv6=False):
        host = f"[{ORIGIN_IPV6}]" if ipv6 else ORIGIN_IPV4
        return f"http://{host}/{name}"
