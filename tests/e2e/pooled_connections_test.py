"""Keep-alive connections that were there before the appliance was: their next upload is seen."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor

import e2e

CONNECTIONS = 20
CLEAN_EVERY = 4  # connections: one of so many uploads what may pass


class PooledConnections(e2e.TestbedCase):
    # This client does not read while it writes: it would not see an answer in the middle.
    options = {"settings": {**e2e.PATIENT, "match": {"early_verdict": False}}}
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def open_connection(self):
        connection = http.client.HTTPConnection("origin", timeout=60)
        connection.sock = self.gate.network.connect()
        self.assertEqual(self.request(connection, "GET", "/hello")[0], 200)
        return connection

    @staticmethod
    def request(connection, method, path, body=None, headers=None):
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()

    def test_their_next_uploads_are_inspected(self):
        connections = [self.open_connection() for _ in range(CONNECTIONS)]
        for connection in connections:
            self.addCleanup(connection.close)
        sockets = [connection.sock for connection in connections]
        self.gate.appliance.restart()

        banned, clean = self.reference.path.read_bytes(), self.other.path.read_bytes()

        def upload(number):
            body = banned if number % CLEAN_EVERY else clean
            return self.request(connections[number], "PUT", f"/pooled-{number}.ogg", body,
                                {"X-Request-Id": f"pooled-{number}"})

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            answers = list(pool.map(upload, range(CONNECTIONS)))

        for number, (status, body) in enumerate(answers):
            with self.subTest(connection=number):
                name = f"pooled-{number}"
                wanted_status = 403 if number % CLEAN_EVERY else 201
                self.assertEqual(status, wanted_status)
                verdict = self.gate.appliance.decision(name)
                self.assertEqual(verdict["checked"], "full")
                if wanted_status == 403:
                    self.assertEqual(json.loads(body)["verdict"], "block")
                    self.assertEqual(self.gate.origin.ending(name), 400)
                    self.assertFalse(self.gate.origin.has(f"{name}.ogg"))
                else:
                    self.assertEqual(verdict["verdict"], "pass")
                    self.assertIs(connections[number].sock, sockets[number], "it was opened anew")
                    self.assertEqual(self.gate.origin.digest(f"{name}.ogg"),
                                     e2e.bed.digest(self.other.path))


if __name__ == "__main__":
    e2e.main()
