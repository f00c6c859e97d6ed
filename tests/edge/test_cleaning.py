"""Which records go: events with their margins, within a session; and the state of each record."""

from pathlib import Path

import pytest

from mle_uvad.edge.tubs.cleaning import Judged, runs_to_delete, states
from mle_uvad.edge.tubs.tub import Record


def drive(statuses: str, evidence: float | None = None, sessions: str = "") -> list[Judged]:
    """One record a second: `.` clear, `x` obscured, `s` still within an event, `u` without a calibration."""
    names = {".": "ok", "x": "obscured", "s": "still", "u": "uncalibrated"}
    given = {".": 0.1, "x": 1.5, "s": None, "u": 0.1}
    return [
        Judged(
            Record(index, 1000 * index, (sessions or "a" * len(statuses))[index], Path(f"{index}.jpg")),
            names[each],
            each in "xs",
            given[each] if evidence is None else evidence,
        )
        for index, each in enumerate(statuses)
    ]


def indexes(judged: list[Judged], margin_s: float) -> list[list[int]]:
    return [[record.index for record in run.records] for run in runs_to_delete(judged, margin_s)]


@pytest.mark.parametrize(
    ("statuses", "margin_s", "expected"),
    [
        ("........", 3.0, []),
        ("...x....", 0.0, [[3]]),
        ("...x....", 1.0, [[2, 3, 4]]),
        ("x......x", 1.0, [[0, 1], [6, 7]]),
        ("..x..x..", 1.0, [[1, 2, 3, 4, 5, 6]]),  # margins that touch are one run
        ("..xsx...", 0.0, [[2, 3, 4]]),  # an event goes on while the car stands
    ],
)
def test_events_go_with_their_margins(statuses: str, margin_s: float, expected: list[list[int]]) -> None:
    assert indexes(drive(statuses), margin_s) == expected


def test_a_margin_ends_where_another_session_begins() -> None:
    judged = drive("..x.....", sessions="aaabbbbb")
    assert indexes(judged, 2.0) == [[0, 1, 2]]


def test_only_clear_evidence_makes_a_state() -> None:
    assert "".join(state[0] for state in states(drive("....xs...."), 1.0)) == "nnnuouunnn"
    assert set(states(drive("......", evidence=0.7), 1.0)) == {"unsure"}
    assert set(states(drive("uuuu"), 1.0)) == {"unsure"}, "no calibration vouches for them"
    assert set(states(drive("xxxx", evidence=0.9), 1.0)) == {"unsure"}, "an event that is fading"
