"""500 uploads at once: all of them are under way before the first one ends."""

import http.client
import threading

import e2e

UPLOADS = 500
BANNED_EVERY = 5
SECONDS = 30  # of each upload


class Many(e2e.TestbedCase):
    # These clients do not read while they write: they would not see an answer in the middle.
    options = {"settings": {"gate": {"hold_max_ms": 120_000}, "match": {"early_verdict": False},
                            "decoder": {"workers": 3}}}  # each takes 224
    references = e2e.tracks(4, ("wesnoth",))
    others = e2e.tracks(6, ("btanks", "starfighter"))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", *(track.path for track in cls.references))

    def bodies(self, tracks):
        workshop = e2e.workshop()
        return [workshop.encode(track, "mp3 128k", 20.0, SECONDS).read_bytes() for track in tracks]

    def test_each_gets_its_own_verdict(self):
        banned, clean = self.bodies(self.references), self.bodies(self.others)
        everybody = threading.Barrier(UPLOADS)
        answers = [None] * UPLOADS

        def upload(number):
            spam = number % BANNED_EVERY == 0
            bodies = banned if spam else clean
            body = bodies[number // BANNED_EVERY % len(bodies)]
            connection = http.client.HTTPConnection("origin", timeout=300)
            try:
                connection.sock = self.gate.network.connect()
                connection.sock.settimeout(300)
                connection.putrequest("PUT", f"/{number}.mp3")
                connection.putheader("X-Request-Id", f"many-{number}")
                connection.putheader("Content-Length", str(len(body)))
                connection.endheaders()
                connection.send(body[:len(body) // 2])
                everybody.wait(240)
                connection.send(body[len(body) // 2:])
                answers[number] = connection.getresponse().status
            except (OSError, http.client.HTTPException, threading.BrokenBarrierError) as error:
                answers[number] = repr(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=upload, args=(number,)) for number in range(UPLOADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        wrong = [f"{number}: {answer}" for number, answer in enumerate(answers)
                 if answer != (403 if number % BANNED_EVERY == 0 else 201)]
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong[:20]))
        whole = [self.gate.origin.has(f"{number}.mp3") for number in range(UPLOADS)]
        self.assertEqual(whole, [number % BANNED_EVERY != 0 for number in range(UPLOADS)])
        status = self.gate.appliance.status()["dataplane"]
        self.assertEqual(status["uploads"]["blocked"], UPLOADS // BANNED_EVERY)
        self.assertEqual((status["uploads"]["begun"], status["held"]["bytes"]), (UPLOADS, 0))


if __name__ == "__main__":
    e2e.main()
