"""The tracker: readings in, changes of events out."""

import itertools
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from made_events import cells, reading

from mle_uvad.edge.alarm import Alarm
from mle_uvad.edge.monitor import Reading
from mle_uvad.parts.events.snapshots import SnapshotPaths
from mle_uvad.parts.events.tracker import (
    COVERAGE_STEP,
    UPDATE_EVERY_S,
    WORSE_BY,
    EventChange,
    EventContext,
    EventTracker,
)

HZ = 20
NOW = datetime(2026, 1, 2, 3, 4, 5, 678900, timezone(timedelta(hours=1)))
CONTEXT = EventContext("drive", "sha", "yesterday", '{"mle_uvad": "0"}')


def readings_of(values: list[tuple[float, float]], **known: Any) -> list[Reading]:
    """Return readings at 20 Hz of (seconds, evidence), with the event numbers of the real alarm."""
    alarm, readings, frame = Alarm(), [], 0
    for seconds, value in values:
        for _ in range(round(seconds * HZ)):
            frame += 1
            one = reading(frame / HZ, value, **known)
            readings.append(Reading(one.t_s, one.score, one.evidence, alarm.update(one.evidence, one.t_s)))
    return readings


def track(readings: list[Reading], tracker: EventTracker | None = None) -> list[tuple[float, EventChange]]:
    """Return each change with its time."""
    tracker = tracker or EventTracker(CONTEXT)
    return [(one.t_s, change) for one in readings for change in tracker.update(one, NOW)]


def test_an_event_begins_with_all_that_is_known_and_ends_when_the_lens_is_clear() -> None:
    (_, begun), (end_s, ended), (wiped_s, wiped) = track(readings_of([(2, 0.3), (3, 1.3), (8, 0.2)]))
    event = begun.event
    assert (event.id, event.state, event.level, event.worst_level) == (1, "open", "WARN", "WARN")
    assert event.began_at == "2026-01-02T02:04:05.678+00:00"
    assert (event.duration_s, event.pcc, event.peak_evidence, event.frames) == (None, 0.5, 1.3, 1)
    assert event.cause == "The lens is obscured in the upper left, 6 % of the picture."
    assert event.advice == "Wipe the lens; the car drives on."
    assert (event.drive, event.model_sha256, event.calibrated_at) == ("drive", "sha", "yesterday")
    assert event.versions == '{"mle_uvad": "0"}'
    assert begun.snapshot == SnapshotPaths("lens_events/000001.jpg", "lens_events/000001_map.png")
    assert (ended.event.state, ended.event.level, ended.event.cleared_by) == ("ended", "OK", "")
    duration_s = ended.event.duration_s
    assert duration_s is not None
    assert duration_s == pytest.approx(3 - 0.25 + 1.05, abs=0.06)  # 0.2 s to rise, 1 s to clear
    assert ended.event.frames == pytest.approx(HZ * duration_s, abs=1)
    assert (wiped.event.state, wiped.event.cleared_by) == ("ended", "wiped")
    assert wiped_s - end_s == pytest.approx(4, abs=0.1)
    assert wiped.snapshot is None


def test_a_steady_event_is_reported_at_its_onset_and_its_end_alone() -> None:
    changes = track(readings_of([(1, 0.3), (600, 1.4), (2, 0.3)]))
    assert [change.event.state for _, change in changes] == ["open", "ended"]


def test_a_worse_moment_keeps_its_snapshot_at_most_once_a_second() -> None:
    rising = [(0.05, 1 + step / 400) for step in range(600)]  # 30 s from 1 to 2.5
    changes = track(readings_of(rising))
    kept = [(t_s, change) for t_s, change in changes if change.snapshot]
    assert {change.snapshot for _, change in kept[1:]} == {SnapshotPaths.of(1, "worst")}
    assert np.diff([t_s for t_s, _ in kept]).min() >= UPDATE_EVERY_S
    evidence = [change.event.peak_evidence for _, change in kept]
    assert np.diff(evidence).min() >= WORSE_BY - 1e-9
    assert len(kept) - 1 <= 1.5 / WORSE_BY
    assert evidence[-1] > 2.5 - 2 * WORSE_BY
    last = changes[-1][1].event
    assert (last.worst_picture, last.worst_heat_map) == (
        "lens_events/000001_worst.jpg",
        "lens_events/000001_worst_map.png",
    )


def test_an_event_that_only_gets_better_keeps_the_onset_alone() -> None:
    changes = track(readings_of([(1, 2.0), (3, 1.5), (3, 0.1)]))
    assert [change.snapshot for _, change in changes if change.snapshot] == [SnapshotPaths.of(1)]
    assert changes[-1][1].event.worst_picture == ""


def test_a_change_of_coverage_is_reported_at_most_once_a_second() -> None:
    onset = readings_of([(1, 1.2)])
    wild = [
        reading(1 + frame / HZ, 1.2, 1, coverage=0.05 + 0.12 * (frame % 2), heat_map=cells()) for frame in range(200)
    ]
    small = [reading(11 + frame / HZ, 1.2, 1, coverage=0.1 + 0.9 * COVERAGE_STEP * (frame % 2)) for frame in range(200)]
    changes = track(onset + wild + small)
    times_s = [t_s for t_s, _ in changes]
    assert 8 <= sum(1 <= t_s <= 11 for t_s in times_s) <= 10
    assert np.diff(times_s).min() >= UPDATE_EVERY_S
    assert sum(t_s > 11.1 for t_s in times_s) <= 1, "small changes of the coverage are reported"
    assert changes[-1][1].event.peak_coverage == pytest.approx(0.17 if times_s[-1] < 11 else 0.19)


def test_a_rise_of_the_level_is_reported_and_the_worst_stays() -> None:
    onset = readings_of([(1, 1.2)])
    severe = [reading(1 + frame / HZ, 1.2, 1, coverage=0.4) for frame in range(100)]
    light = [reading(6 + frame / HZ, 1.2, 1, coverage=0.05) for frame in range(100)]
    changes = track(onset + severe + light)
    levels = [(change.event.level, change.event.worst_level) for _, change in changes]
    assert [level for level, _ in itertools.groupby(levels)] == [
        ("WARN", "WARN"),
        ("ERROR", "ERROR"),
        ("WARN", "ERROR"),
    ]
    last = changes[-1][1].event
    assert last.advice == "Stop and wipe the lens; the car drives on."
    assert last.cause.endswith("40 % of the picture.")
    assert last.coverage == 0.05


def test_the_cause_is_that_of_the_largest_coverage() -> None:
    wide = reading(3.0, 1.2, 1, coverage=0.5, heat_map=cells(slice(0, 20), slice(10, 20)))
    changes = track([*readings_of([(1, 1.2)]), wide, *(reading(3 + n / HZ, 1.2, 1) for n in range(1, 40))])
    assert changes[-1][1].event.cause == "The lens is obscured on the right, 50 % of the picture."
    assert changes[-1][1].event.coverage == 0.0625


def test_the_end_of_the_drive_ends_the_event_and_leaves_the_level() -> None:
    tracker = EventTracker(CONTEXT, "stop")
    assert tracker.finish(0.0) == []
    track(readings_of([(3, 1.5)]), tracker)
    assert tracker.event_id == 1
    (change,) = tracker.finish(10.0)
    assert (change.event.state, change.event.level, change.event.cleared_by) == ("ended", "WARN", "")
    assert change.event.duration_s == pytest.approx(9.75, abs=0.06)
    assert change.event.advice == "Wipe the lens; the autopilot stands until then."
    assert tracker.event_id == 0
    assert tracker.finish(11.0) == []


def test_what_comes_back_in_the_same_cells_before_it_stayed_clear_has_returned() -> None:
    changes = [change for _, change in track(readings_of([(1, 0.3), (3, 1.4), (3, 0.3), (3, 1.4)]))]
    states = [(change.event.id, change.event.state, change.event.cleared_by) for change in changes]
    assert states == [(1, "open", ""), (1, "ended", ""), (1, "ended", "returned"), (2, "open", "")]


def test_what_comes_back_elsewhere_or_later_is_another() -> None:
    first = readings_of([(1, 0.3), (3, 1.4), (3, 0.3)])
    elsewhere = [reading(7 + n / HZ, 1.4, 2, heat_map=cells(slice(10, 20), slice(10, 20))) for n in range(1, 20)]
    assert [change.event.cleared_by for _, change in track(first + elsewhere)] == ["", "", ""]
    later = track(readings_of([(1, 0.3), (3, 1.4), (8, 0.3), (3, 1.4)]))
    assert [change.event.cleared_by for _, change in later] == ["", "", "wiped", ""]


def test_an_event_that_another_drive_cuts_short_was_not_cleared() -> None:
    restarted = [reading(3 + n / HZ, 0.0, status="warmup" if n < 20 else "ok") for n in range(1, 200)]
    changes = [change.event for _, change in track(readings_of([(3, 1.4)]) + restarted)]
    assert [(event.state, event.level, event.cleared_by) for event in changes] == [
        ("open", "WARN", ""),
        ("ended", "WARN", ""),
    ]


def test_uninformative_frames_keep_an_event_open_and_as_it_is() -> None:
    held = [reading(3 + n / HZ, 1.9, 1, coverage=0.9, status="still") for n in range(200)]
    tracker = EventTracker(CONTEXT)
    changes = track(readings_of([(3, 1.4)]), tracker)
    more = track(held, tracker)
    assert tracker.event_id == 1
    assert all(change.snapshot is None and change.event.level == "WARN" for _, change in more)
    assert len(changes) == 1


def test_a_new_context_holds_from_the_next_event_on() -> None:
    tracker, readings = EventTracker(CONTEXT), readings_of([(3, 1.4), (8, 0.3), (3, 1.4)])
    changes = track(readings[:100], tracker)
    tracker.context = EventContext("drive", "sha", "today", "{}")
    changes += track(readings[100:], tracker)
    assert {(change.event.id, change.event.calibrated_at) for _, change in changes} == {(1, "yesterday"), (2, "today")}
