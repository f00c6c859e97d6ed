"""Clocks that jump: the wall clock is wrong until the car finds a network, the monotonic one should never step back."""

import math
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mle_uvad.parts import anomaly
from mle_uvad.parts.events.event import read_events

LOG = Path("logs", "lens.db")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
JUMPS = {
    "ten years on": timedelta(days=3653),
    "ten years back": timedelta(days=-3653),
    "53 minutes back": timedelta(minutes=-53),
    "1970": datetime(1970, 1, 1, tzinfo=timezone.utc) - NOW,
}


class WallClock:
    """Stands in for `datetime` in the part; the test moves it."""

    time = NOW

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return cls.time.astimezone(tz)


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_a_wall_clock_that_jumps_during_an_event_changes_no_duration_and_no_order(
    jump: timedelta,
    make_part: Any,
    clear_frames: Any,
    wet_frames: Any,
    drive: Any,
    tmp_path: Path,
    monkeypatch: Any,
    record_property: Any,
) -> None:
    monkeypatch.setattr(anomaly, "datetime", WallClock)
    monkeypatch.setattr(WallClock, "time", NOW)
    part = make_part()
    said = drive(part, 2 * clear_frames + wet_frames)
    WallClock.time = NOW + jump
    said += drive(part, wet_frames + 3 * clear_frames + 2 * wet_frames)
    part.shutdown()
    first, second = read_events(tmp_path / LOG)
    # Durations by the monotonic clock, to the frame; order by number; onsets as the wall clock had them.
    for event in (first, second):
        lasted_s = sum(values[3] == event.id for values in said) / 20
        assert event.duration_s == pytest.approx(lasted_s, abs=0.1)
        record_property("longest error of a duration, s", round(abs(event.duration_s - lasted_s), 3))
    assert (first.id, second.id) == (1, 2)
    assert datetime.fromisoformat(first.began_at) == NOW
    assert datetime.fromisoformat(second.began_at) == NOW + jump


@pytest.mark.parametrize("jump_s", [-3600.0, -0.2, 3600.0, 1e9])
def test_a_clock_that_jumps_between_two_frames_raises_no_event_and_ends_none(
    jump_s: float, make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, clock: Any, tmp_path: Path
) -> None:
    part = make_part()
    drive(part, 2 * clear_frames)
    clock.now_s += jump_s
    assert not any(values[1] for values in drive(part, 2 * clear_frames)), "a false event"
    assert drive(part, 2 * wet_frames)[-1][3] == 1
    clock.now_s += jump_s
    said = drive(part, 2 * wet_frames + 5 * clear_frames)
    assert said[0][1], "the event is lost"
    assert not said[-1][1]
    part.shutdown()
    for event in read_events(tmp_path / LOG):
        assert event.state == "ended"
        assert event.duration_s is not None
        assert math.isfinite(event.duration_s)
        assert event.duration_s >= 0


def test_a_clock_that_jumps_does_not_leave_a_threaded_part_stale(worker: Any, clear_frames: Any) -> None:
    for jump_s in (3600.0, -3600.0):
        assert worker.scored(clear_frames[0])[0] is not None
        worker.clock.now_s += jump_s
        worker.scored(clear_frames[1])
        assert worker.loop(clear_frames[2])[0] is not None
