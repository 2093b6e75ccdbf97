"""Keep-alive connections that were there before the appliance was: their next upload is seen."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor

import e2e

CONNECTIONS = 20


class PooledConnections(e2e.TestbedCase):
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
    def request(connection, method, path, body=None):
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()

    def test_their_next_uploads_are_inspected(self):
        connections = [self.open_connection() for _ in range(CONNECTIONS)]
        for connection in connections:
            self.addCleanup(connection.close)
        self.gate.appliance.restart()

        banned, clean = self.reference.path.read_bytes(), self.other.path.read_bytes()

        def upload(number):
            body = clean if number == 0 else banned
            return self.request(connections[number], "PUT", f"/pooled-{number}.ogg", body)

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            answers = list(pool.map(upload, range(CONNECTIONS)))

        self.assertEqual(answers[0][0], 201)
        self.assertTrue(self.gate.origin.has("pooled-0.ogg"))
        for number, (status, body) in enumerate(answers[1:], start=1):
            self.assertEqual(status, 403, f"connection {number}")
            self.assertEqual(json.loads(body)["verdict"], "block")
            self.assertFalse(self.gate.origin.has(f"pooled-{number}.ogg"))


if __name__ == "__main__":
    e2e.main()
