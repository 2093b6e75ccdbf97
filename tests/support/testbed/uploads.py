"""Uploads with what is expected of them: sent, looked up, judged, and shown as a table."""

from dataclasses import dataclass, field
from pathlib import Path

from .client import Answer

PASS, BLOCK, UNCHECKED = "pass", "block", "unchecked"

PLACE_SECONDS_TOLERANCE = 0.5


@dataclass(frozen=True)
class Case:
    what: str  # for people
    path: Path
    expected: str  # PASS, BLOCK, or UNCHECKED: through, and recorded as not seen whole
    reference: str = ""  # title of the reference that it holds
    matched_seconds_min: float = 10
    matched_seconds_max: float = float("inf")
    bank_seconds_min: float = 10  # that are enough to stop it before all has come
    reference_ahead_seconds: float | None = None  # place in the reference less place in the upload
    reasons: tuple = ()  # UNCHECKED: those that may be given


@dataclass
class Outcome:
    case: Case
    name: str  # at the origin
    answer: Answer
    verdict: dict
    ending: int | None  # the origin's own status; None where it still waits for the rest
    arrived: bool
    identical: bool
    problems: list = field(default_factory=list)

    @property
    def match(self):
        """The first match, or None."""
        return self.verdict["matches"][0] if self.verdict["matches"] else None

    @property
    def verdict_milliseconds(self):
        """From the last byte to the verdict; None where one of them never was."""
        timings = self.verdict["timings"]
        if timings["verdict"] is None or timings["last_byte"] is None:
            return None
        return 1000 * (timings["verdict"] - timings["last_byte"])


def judge(outcome):
    """Fills in the outcome's problems: sentences, none when everything is as expected."""
    rules = {PASS: _judge_passed, BLOCK: _judge_blocked, UNCHECKED: _judge_unchecked}
    outcome.problems = [text for text, wrong in rules[outcome.case.expected](outcome) if wrong]
    return outcome


def _judge_through(outcome):
    status = outcome.answer.status
    yield f"curl saw {status} where 201 was expected", status not in (201, 204)
    yield "what arrived differs from what was sent", outcome.arrived and not outcome.identical
    yield "it did not arrive at the origin", not outcome.arrived


def _judge_passed(outcome):
    verdict = outcome.verdict
    yield from _judge_through(outcome)
    yield f"the verdict is {verdict['verdict']}, {verdict['reason']}", verdict["verdict"] != "pass"
    yield f"it was checked {verdict['checked']}", verdict["checked"] != "full"
    yield "it matched " + title(outcome.match), outcome.match is not None


def _judge_unchecked(outcome):
    verdict = outcome.verdict
    yield from _judge_through(outcome)
    yield f"the verdict is {verdict['verdict']}", verdict["verdict"] not in ("pass", "flag")
    yield f"it was checked {verdict['checked']}", verdict["checked"] == "full"
    yield f"the reason is {verdict['reason']}", verdict["reason"] not in outcome.case.reasons


def _judge_blocked(outcome):
    case, verdict, answer, match = outcome.case, outcome.verdict, outcome.answer, outcome.match
    yield f"curl saw {answer.status} where 403 was expected", answer.status != 403
    yield "it is complete at the origin", outcome.arrived
    yield "the origin still waits for the rest of it", outcome.ending is None
    yield f"the origin ended it with {outcome.ending}", outcome.ending in (201, 204)
    yield (f"the verdict is {verdict['verdict']}, {verdict['reason']}",
           verdict["verdict"] != "block" or not verdict["enforced"])
    yield f"it matched {title(match)}", title(match) != case.reference
    # Of one that was stopped, no more had come.
    least = case.bank_seconds_min if _is_stopped(verdict) else case.matched_seconds_min
    yield f"only {matched_seconds(match):.1f} s matched", matched_seconds(match) < least
    yield (f"{matched_seconds(match):.1f} s matched, and it has only {case.matched_seconds_max}",
           matched_seconds(match) > case.matched_seconds_max)
    yield (f"it is found elsewhere: {match and match['segments']}", not _is_found_in_place(outcome))
    if answer.status == 403:
        told = answer.json()
        yield f"the client was told {told}", (told.get("upload_id") != verdict["upload_id"]
                                              or told.get("verdict") != "block"
                                              or set(told) != {"upload_id", "verdict", "message"})


def _is_stopped(verdict):
    return verdict["early"] is not None and verdict["early"]["stopped"]


def _is_found_in_place(outcome):
    """Some segment stands where the reference was put (music that repeats may have others)."""
    wanted = outcome.case.reference_ahead_seconds
    segments = outcome.match["segments"] if outcome.match else []
    return wanted is None or any(
        abs(segment["asset_start"] - segment["query_start"] - wanted) < PLACE_SECONDS_TOLERANCE
        for segment in segments)


def title(match):
    return match["asset"]["title"] if match else "nothing"


def matched_seconds(match):
    return match["query_match_duration_seconds"] if match else 0.0


class Table:
    """One line an upload."""

    _COLUMNS = (("upload", 44), ("curl", 5), ("verdict", 8), ("reference", 34),
                ("matched", 9), ("verdict after", 14), ("at the origin", 14))

    def heading(self):
        return self._line([name for name, _ in self._COLUMNS])

    def rule(self):
        return "─" * len(self.heading())

    def row(self, outcome):
        match, wait = outcome.match, outcome.verdict_milliseconds
        arrival = "identical" if outcome.identical else "altered" if outcome.arrived else "absent"
        reason = outcome.verdict["reason"]
        line = self._line([
            outcome.case.what,
            str(outcome.answer.status),
            outcome.verdict["verdict"],
            f"{match['bank']}: {title(match)}" if match else
            "–" if reason == "no_match" else f"– ({reason})",
            f"{matched_seconds(match):.1f} s" if match else "–",
            "stopped" if _is_stopped(outcome.verdict) else _shown(wait),
            arrival,
        ])
        return "\n".join([line, *(f"  ✗ {problem}" for problem in outcome.problems)])

    def _line(self, cells):
        return "  ".join(_fitted(cell, width)
                         for cell, (_, width) in zip(cells, self._COLUMNS)).rstrip()


def _shown(wait):
    if wait is None:
        return "–"
    return f"{wait:.0f} ms" if wait >= 0 else "before it"  # nothing more had to be heard


def _fitted(text, width):
    return (text if len(text) <= width else text[:width - 1] + "…").ljust(width)
