"""The levels of an event, WARN and ERROR."""

from itertools import groupby

import pytest
from made_events import reading

from mle_uvad.parts.events.severity import (
    AFTER_S,
    COVERAGE_DOWN,
    COVERAGE_UP,
    EVIDENCE_DOWN,
    EVIDENCE_UP,
    EventSeverity,
)

HZ = 20


def levels(
    level: EventSeverity, start_s: float, seconds: float, value: float, coverage: float, status: str = "ok"
) -> str:
    """Return the level after so many seconds."""
    last = level.level
    for frame in range(round(seconds * HZ)):
        last = level.update(
            reading(start_s + frame / HZ, value, 1, coverage=coverage, status=status).evidence, start_s + frame / HZ
        )
    return last


@pytest.mark.parametrize(("value", "coverage"), [(1.1, COVERAGE_UP), (EVIDENCE_UP, 0.01)])
def test_a_severe_event_is_an_error_after_two_seconds(value: float, coverage: float) -> None:
    level = EventSeverity()
    assert levels(level, 0, AFTER_S - 0.1, value, coverage) == "WARN"
    assert levels(level, AFTER_S - 0.1, 0.3, value, coverage) == "ERROR"


@pytest.mark.parametrize(
    ("value", "coverage", "after"),
    [
        (EVIDENCE_DOWN, 0.0, "ERROR"),
        (1.0, COVERAGE_DOWN, "ERROR"),
        (EVIDENCE_DOWN - 0.01, COVERAGE_DOWN - 0.01, "WARN"),
    ],
)
def test_it_is_a_warning_again_when_it_is_well_below_both(value: float, coverage: float, after: str) -> None:
    level = EventSeverity()
    levels(level, 0, 3, 2.5, 0.5)
    assert levels(level, 3, AFTER_S - 0.1, value, coverage) == "ERROR"
    assert levels(level, 5, 10, value, coverage) == after


def test_it_does_not_flicker_at_the_thresholds() -> None:
    level, said = EventSeverity(), []
    for frame in range(60 * HZ):
        coverage = COVERAGE_UP + (0.05 if frame // HZ % 2 else -0.05)  # a second above, a second below
        said.append(level.update(reading(frame / HZ, 1.2, 1, coverage=coverage).evidence, frame / HZ))
    assert set(said) == {"WARN"}
    levels(level, 60, 3, 2.5, 0.5)
    for frame in range(60 * HZ):
        coverage = 0.15 + (0.1 if frame // HZ % 2 else -0.1)
        said.append(level.update(reading(63 + frame / HZ, 1.2, 1, coverage=coverage).evidence, 63 + frame / HZ))
    assert [one for one, _ in groupby(said)] == ["WARN", "ERROR"]


def test_uninformative_frames_stop_the_count() -> None:
    level = EventSeverity()
    for start_s in range(0, 20, 2):
        assert levels(level, start_s, 1.5, 2.5, 0.9) == "WARN"
        assert levels(level, start_s + 1.5, 0.5, 2.5, 0.9, "still") == "WARN"
