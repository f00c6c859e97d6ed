"""When evidence becomes an event: debounce, hysteresis, and what must not change the decision."""

import pytest

from mle_uvad.edge.alarm import RAISE_AFTER_S, Alarm, AlarmState
from mle_uvad.edge.evidence import EvidenceState

HZ = 20.0
SHORT = round(RAISE_AFTER_S * HZ)  # as many frames at the threshold, and one more, raise an event


def feed(alarm: Alarm, values: list[float], start_s: float = 0.0, status: str = "ok") -> list[AlarmState]:
    states = [alarm.update(EvidenceState(status, value), start_s + i / HZ) for i, value in enumerate(values)]
    for state in states:
        assert state.obscured == (state.event_id > 0)
        assert (state.since_s > 0) == state.obscured
    return states


def raised(alarm: Alarm, start_s: float = 1.0) -> AlarmState:
    state = feed(alarm, [1.5] * 20, start_s)[-1]
    assert state.obscured
    return state


def test_an_event_begins_after_a_moment_at_the_limit() -> None:
    states = feed(Alarm(), [0.5] * 20 + [1.0] * 20, start_s=1.0)
    before = 20 + SHORT
    assert [state.obscured for state in states] == [False] * before + [True] * (40 - before)
    assert {state.status for state in states[:before]} == {"ok"}
    assert set(states[before:]) == {AlarmState(True, 1, 1.0 + before / HZ, "obscured")}


def test_short_spikes_never_raise() -> None:
    alarm = Alarm()
    for _ in range(50):
        spike = feed(alarm, [5.0] * SHORT + [0.99])  # a frame too few at the threshold, then below for one
        assert not any(state.obscured for state in spike)


def test_just_below_the_threshold_never_raises() -> None:
    assert not any(state.obscured for state in feed(Alarm(), [0.999] * 400))


def test_an_event_ends_after_a_second_well_below_the_limit() -> None:
    alarm = Alarm()
    raised(alarm)
    states = feed(alarm, [0.79] * 40, start_s=2.0)
    assert [state.obscured for state in states] == [True] * 20 + [False] * 20
    assert states[-1] == AlarmState(False, 0, 0.0, "ok")


def test_between_the_two_thresholds_an_event_lasts() -> None:
    alarm = Alarm()
    event = raised(alarm)
    assert feed(alarm, [0.8] * 400, start_s=2.0)[-1] == event
    # Clear for less than a second at a time is not clear.
    for start_s in range(30, 60):
        assert all(state.obscured for state in feed(alarm, [0.1] * 19 + [0.9], start_s=float(start_s)))


@pytest.mark.parametrize("status", ["dark", "no_frame", "frozen", "flat", "error", "warmup", "uncalibrated"])
def test_evidence_that_says_nothing_keeps_the_decision(status: str) -> None:
    alarm = Alarm()
    silent = feed(alarm, [9.0] * 60, start_s=1.0, status=status)
    assert set(silent) == {AlarmState(False, 0, 0.0, status)}
    event = raised(alarm, start_s=4.0)
    silent = feed(alarm, [0.0] * 60, start_s=5.0, status=status)
    assert set(silent) == {AlarmState(True, event.event_id, event.since_s, status)}


def test_a_frame_that_says_nothing_stops_both_counts() -> None:
    alarm = Alarm()
    feed(alarm, [2.0] * SHORT, start_s=1.0)
    feed(alarm, [2.0], start_s=1.0 + SHORT / HZ, status="dark")
    assert not any(state.obscured for state in feed(alarm, [2.0] * SHORT, start_s=1.05 + SHORT / HZ))
    event = raised(alarm, start_s=2.0)
    feed(alarm, [0.0] * 18, start_s=3.0)
    feed(alarm, [0.0], start_s=3.9, status="no_frame")
    assert feed(alarm, [0.0] * 20, start_s=3.95)[-1].event_id == event.event_id


def test_event_ids_rise_by_one_from_the_one_given() -> None:
    alarm = Alarm(next_event_id=7)
    seen = []
    for start_s in (1.0, 11.0, 21.0):
        seen.append(raised(alarm, start_s).event_id)
        assert not feed(alarm, [0.0] * 40, start_s + 5.0)[-1].obscured
    assert seen == [7, 8, 9]


def test_a_clock_that_steps_back_raises_nothing_at_once() -> None:
    alarm = Alarm()
    feed(alarm, [2.0] * SHORT, start_s=100.0)
    assert not feed(alarm, [2.0], start_s=10.0)[0].obscured
    assert feed(alarm, [2.0] * 12, start_s=10.05)[-1].obscured


def test_two_frames_across_a_gap_are_not_all_the_time_between() -> None:
    alarm = Alarm()
    assert not alarm.update(EvidenceState("ok", 1.5), 0.0).obscured
    assert not alarm.update(EvidenceState("ok", 1.5), 100.0).obscured
    assert feed(alarm, [1.5] * 11, start_s=100.05)[-1].obscured


def test_a_restart_ends_the_event_and_keeps_its_number() -> None:
    alarm = Alarm(next_event_id=3)
    assert raised(alarm).event_id == 3
    alarm.restart()
    assert alarm.update(EvidenceState("ok", 0.0), 50.0) == AlarmState(False, 0, 0.0, "ok")
    assert raised(alarm, start_s=60.0).event_id == 4
