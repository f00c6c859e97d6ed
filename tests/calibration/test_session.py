"""The calibration while driving as a state machine: made-up readings in, limits or one line out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mle_uvad.calibration.rules import BASELINE_MIN
from mle_uvad.calibration.session import IDLE, IDLE_MAX_S, LISTEN_S, LOOK_S, CalibrationSession
from mle_uvad.edge.alarm import AlarmState
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.evidence import EvidenceState, Thresholds
from mle_uvad.edge.graph import FEATURE_MAPS
from mle_uvad.edge.monitor import Reading
from mle_uvad.edge.scorer import FrameScore

HZ = 10.0
DRIVE_S = LOOK_S + LISTEN_S


@pytest.fixture
def old() -> Thresholds:
    reference = np.stack([np.full((FEATURE_MAPS, 10, 10), 0.5), np.full((FEATURE_MAPS, 10, 10), 0.1)]).astype(
        np.float32
    )
    return Thresholds((-1.0, 0.5, 1.0), np.zeros((20, 20), np.float32), 5.0, 0.3, reference)


class Road:
    """Makes the readings of a drive, one after the other."""

    def __init__(self, calibrator: CalibrationSession, hz: float = HZ) -> None:
        self.calibrator, self.hz = calibrator, hz
        self.rng = np.random.default_rng(1)
        self.t_s = 1000.0
        self.states: list[str] = []
        self.progress: list[float] = []

    def drive(self, seconds: float, feature_maps: float = 0.5, alarm: str = "ok", **changes: Any) -> "Road":
        for _ in range(round(seconds * self.hz)):
            self.t_s += 1 / self.hz
            score: dict[str, Any] = {
                "status": "ok",
                "pcc": float(self.rng.uniform(0.7, 0.9)),
                "logits": self.rng.normal(-5, 1, (20, 20)).astype(np.float32),
                "pictures": self.rng.normal(feature_maps, 0.1, (FEATURE_MAPS, 10, 10)).astype(np.float32),
                "motion": 0.1,
                "settled": True,
            }
            obscured = alarm == "obscured"
            decision = AlarmState(obscured, int(obscured), 0.0, alarm)
            reading = Reading(self.t_s, FrameScore(**{**score, **changes}), EvidenceState("ok"), decision)
            self.calibrator.watch(reading)
            self.states.append(self.calibrator.state)
            self.progress.append(self.calibrator.progress)
        return self


def started(thresholds: Thresholds | None = None) -> Road:
    calibrator = CalibrationSession(thresholds, 1.0)
    calibrator.start()
    return Road(calibrator)


def test_a_drive_becomes_limits() -> None:
    calibrator = CalibrationSession(None, 1.0)
    assert (calibrator.state, calibrator.progress) == ("uncalibrated", 0)
    road = Road(calibrator).drive(5)
    assert set(road.states) == {"uncalibrated"}
    calibrator.start()
    road.drive(LOOK_S / 2)
    assert calibrator.listening is None
    assert calibrator.progress == pytest.approx(LOOK_S / 2 / DRIVE_S, abs=0.01)
    road.drive(LOOK_S / 2 + 1)
    reference = calibrator.listening
    assert reference is not None
    assert reference[0] == pytest.approx(0.5, abs=0.1)
    assert calibrator.thresholds is None
    road.drive(LISTEN_S)
    assert calibrator.state == "calibrated"
    assert calibrator.listening is None, "to be scored by the new limits from now on"
    assert calibrator.thresholds is not None
    assert calibrator.thresholds.reference is reference
    assert (calibrator.thresholds.baseline == BASELINE_MIN).all(), "so calm a drive says nothing anywhere"
    assert calibrator.frames == pytest.approx(DRIVE_S * HZ, abs=2)
    assert calibrator.driving_s == pytest.approx(DRIVE_S, abs=0.3)
    assert (calibrator.progress, calibrator.detail) == (1.0, "")
    assert road.progress == sorted(road.progress)


def test_the_old_limits_stay_until_there_are_new_ones(old: Thresholds) -> None:
    road = started(old)
    while road.calibrator.state == "collecting":
        assert road.calibrator.thresholds is old
        road.drive(0.1)
    assert road.calibrator.state == "calibrated"
    assert road.calibrator.thresholds is not old


def test_standing_frames_do_not_count() -> None:
    road = started().drive(20)
    gathered = road.calibrator.progress
    road.drive(IDLE_MAX_S - 30, motion=0.0)
    assert road.calibrator.progress == gathered
    assert road.drive(DRIVE_S - 19).calibrator.state == "calibrated"


IDLE_FRAMES: dict[str, dict[str, Any]] = {
    "still": {"motion": 0.0},
    "frozen": {"pcc": 0.75},
    "warmup": {"settled": False},
    **{name: {"status": name, "pcc": None} for name in ("dark", "flat", "no_frame", "error")},
}


@pytest.mark.parametrize("why", IDLE)
@pytest.mark.parametrize("before_s", [0.0, LOOK_S + 10])
def test_frames_that_tell_nothing_end_it_after_a_while(why: str, before_s: float, old: Thresholds) -> None:
    road = started(old).drive(before_s).drive(IDLE_MAX_S - 1, **IDLE_FRAMES[why])
    assert road.calibrator.state == "collecting"
    calibrator = road.drive(2, **IDLE_FRAMES[why]).calibrator
    assert calibrator.state == "invalid"
    what, remedy = IDLE[why]
    assert calibrator.detail.startswith(f"{what} for 90 s, at ")
    assert calibrator.detail.endswith(remedy)
    assert "\n" not in calibrator.detail
    assert (calibrator.thresholds, calibrator.listening) == (old, None)


def test_a_drive_of_two_scenes() -> None:
    between = started().drive(LOOK_S + 1).drive(LISTEN_S + 1, feature_maps=0.7)
    halfway = started().drive(LOOK_S + LISTEN_S / 2).drive(LISTEN_S, feature_maps=0.7)
    for road in (between, halfway):
        assert road.calibrator.state == "invalid"
        assert "two scenes" in road.calibrator.detail
        assert road.calibrator.thresholds is None


def test_a_lens_that_the_calibration_before_calls_obscured(old: Thresholds) -> None:
    calibrator = started(old).drive(10).drive(LOOK_S - 9, alarm="obscured").calibrator
    assert calibrator.state == "invalid"
    assert "wipe the lens, or delete calibration.json" in calibrator.detail
    assert calibrator.thresholds is old


def test_a_short_alarm_is_no_obscured_lens(old: Thresholds) -> None:
    assert started(old).drive(10, alarm="obscured").drive(LOOK_S).calibrator.listening is not None


def test_a_world_known_to_have_changed_is_what_calibration_is_for(old: Thresholds) -> None:
    road = started(old).drive(30, alarm="obscured").drive(LOOK_S - 29, alarm="drifting")
    assert "the lens is obscured" in road.calibrator.detail, "it may be a wet lens"
    road.drive(5, alarm="still", motion=0.0).calibrator.start()
    road.drive(LOOK_S + 1, alarm="drifting")
    assert road.calibrator.listening is not None
    assert road.drive(LISTEN_S + 1, alarm="calibrating").calibrator.state == "calibrated"


def test_too_short(old: Thresholds) -> None:
    road = started(old).drive(DRIVE_S / 2)
    road.calibrator.stop()
    assert road.calibrator.state == "invalid"
    assert road.calibrator.detail.startswith("too short: it ended at 50%; ")
    slow = Road(CalibrationSession(None, 1.0), hz=2.0)
    slow.calibrator.start()
    assert "150 frames can be scored and calibration needs 300" in slow.drive(DRIVE_S + 2).calibrator.detail


def test_a_camera_whose_scores_hardly_vary() -> None:
    road = started()
    while road.calibrator.state == "collecting":
        road.drive(0.1, pcc=0.8 + 1e-7 * len(road.states))
    assert "the car stood still" in road.calibrator.detail


@pytest.mark.parametrize("driving_s", [5.0, LOOK_S + 5])
def test_cancelled_it_leaves_all_as_it_was(driving_s: float, old: Thresholds) -> None:
    for thresholds, state in ((None, "uncalibrated"), (old, "calibrated")):
        road = started(thresholds).drive(driving_s)
        road.calibrator.cancel()
        assert (road.calibrator.state, road.calibrator.detail) == (state, "cancelled")
        assert (road.calibrator.thresholds, road.calibrator.listening) == (thresholds, None)
        assert set(road.drive(5).states[-50:]) == {state}
        road.calibrator.start()
        assert road.calibrator.progress == 0
        assert road.drive(DRIVE_S + 1).calibrator.state == "calibrated"


def test_a_refused_drive_can_be_driven_again(old: Thresholds) -> None:
    road = started(old).drive(IDLE_MAX_S + 1, motion=0.0)
    assert set(road.drive(5, alarm="drifting").states[-50:]) == {"invalid"}
    road.calibrator.start()
    assert (road.calibrator.state, road.calibrator.detail) == ("collecting", "")
    assert road.drive(DRIVE_S + 1).calibrator.state == "calibrated"


def test_drifting_follows_the_monitor(old: Thresholds) -> None:
    road = Road(CalibrationSession(old, 1.0)).drive(1).drive(1, alarm="drifting").drive(1, alarm="still").drive(1)
    assert [road.states[i] for i in (5, 15, 25, 35)] == ["calibrated", "drifting", "drifting", "calibrated"]


def test_a_fast_camera_fills_no_more_memory() -> None:
    kept: dict[float, tuple[int, int]] = {}
    for hz in (10.0, 100.0):
        road = Road(CalibrationSession(None, 1.0), hz)
        road.calibrator.start()
        feature_maps = len(road.drive(LOOK_S - 1).calibrator._gathered.feature_maps)
        kept[hz] = (feature_maps, len(road.drive(LISTEN_S).calibrator._gathered.logits))
    assert kept[100.0][0] <= LOOK_S / 0.1 + 1
    assert kept[100.0][1] <= LISTEN_S / 0.03 + 1
    assert kept[10.0][1] == pytest.approx((LISTEN_S - 1) * 10, abs=2), "a camera of 20 Hz and less is not thinned"


def test_time_that_steps_back_or_stands_counts_for_nothing() -> None:
    road = started().drive(5)
    driving_s = road.calibrator.driving_s
    road.t_s -= 100
    road.drive(1)
    assert road.calibrator.driving_s == pytest.approx(driving_s + 0.9, abs=0.05)


@pytest.mark.parametrize("act", [CalibrationSession.cancel, CalibrationSession.stop])
def test_without_a_drive_there_is_nothing_to_end(act: Callable[[CalibrationSession], None], old: Thresholds) -> None:
    calibrator = CalibrationSession(old, 1.0)
    act(calibrator)
    assert (calibrator.state, calibrator.detail) == ("calibrated", "")


def test_a_wrong_rate_is_told_at_once() -> None:
    with pytest.raises(InputError, match="give 1e-06 or more"):
        CalibrationSession(None, 0.0)
