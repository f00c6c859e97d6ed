"""Calibration while driving as a state machine: synthetic readings go in, outcomes come out."""

import weakref
from typing import Any

import numpy as np
import pytest
from driving_readings import driving_reading

from mle_uvad.calibration.rules import BASELINE_MIN
from mle_uvad.calibration.session import (
    IDLE,
    IDLE_MAX_S,
    REFERENCE_PHASE_S,
    THRESHOLD_PHASE_S,
    CalibrationSession,
    Outcome,
    Rejected,
    UseReference,
    UseThresholds,
)
from mle_uvad.edge.errors import InputError

HZ = 10.0
DRIVE_S = REFERENCE_PHASE_S + THRESHOLD_PHASE_S


class Road:
    """Feeds a session the readings of a drive and collects its outcomes."""

    def __init__(self, hz: float = HZ, was_drifting: bool = False) -> None:
        self.hz, self.t_s = hz, 1000.0
        self.session = CalibrationSession(1.0, previous_t_s=self.t_s, was_drifting=was_drifting)
        self.rng = np.random.default_rng(1)
        self.outcomes: list[Outcome] = []
        self.progress: list[float] = []

    def drive(self, seconds: float, feature_maps: float = 0.5, alarm: str = "ok", **changes: Any) -> "Road":
        for _ in range(round(seconds * self.hz)):
            self.t_s += 1 / self.hz
            reading = driving_reading(self.rng, self.t_s, alarm, feature_mean=feature_maps, **changes)
            if outcome := self.session.update(reading):
                self.outcomes.append(outcome)
            self.progress.append(self.session.progress)
        return self

    @property
    def names(self) -> list[str]:
        return [type(outcome).__name__ for outcome in self.outcomes]

    @property
    def rejection(self) -> str:
        """The reason why the drive was rejected: once, and as the last outcome."""
        *before, last = self.outcomes
        assert isinstance(last, Rejected)
        assert not any(isinstance(outcome, Rejected | UseThresholds) for outcome in before)
        return last.reason


def test_a_drive_gives_a_reference_and_then_thresholds() -> None:
    road = Road()
    assert road.session.progress == 0
    road.drive(REFERENCE_PHASE_S / 2)
    assert road.outcomes == []
    assert road.session.progress == pytest.approx(REFERENCE_PHASE_S / 2 / DRIVE_S, abs=0.01)
    road.drive(REFERENCE_PHASE_S / 2 + 1)
    (use_reference,) = road.outcomes
    assert isinstance(use_reference, UseReference)
    assert use_reference.reference[0] == pytest.approx(0.5, abs=0.1)
    assert road.session.in_threshold_phase
    road.drive(THRESHOLD_PHASE_S)
    assert road.names == ["UseReference", "UseThresholds"]
    use_thresholds = road.outcomes[1]
    assert isinstance(use_thresholds, UseThresholds)
    assert use_thresholds.thresholds is not None
    assert use_thresholds.thresholds.reference is use_reference.reference
    assert (use_thresholds.thresholds.baseline == BASELINE_MIN).all(), "so calm a drive raises the odds nowhere"
    assert road.session.frames == pytest.approx(DRIVE_S * HZ, abs=2)
    assert road.session.driving_s == pytest.approx(DRIVE_S, abs=0.3)
    assert road.session.maxima.shape[0] == 2
    assert road.session.progress == 1.0
    assert road.progress == sorted(road.progress)


def test_the_feature_maps_of_the_reference_are_freed_with_it() -> None:
    road = Road().drive(REFERENCE_PHASE_S / 2)
    kept = weakref.ref(road.session._reference_phase._feature_maps[0])
    assert road.drive(REFERENCE_PHASE_S / 2 + 1).session.in_threshold_phase
    assert kept() is None


def test_a_session_that_ended_returns_nothing_more() -> None:
    for road in (Road().drive(DRIVE_S + 1), Road().drive(IDLE_MAX_S + 1, motion=0.0)):
        outcomes, frames = list(road.outcomes), road.session.frames
        road.drive(5).drive(5, alarm="drifting")
        assert road.outcomes == outcomes
        assert road.session.frames == frames
        assert road.session.stop() is None


def test_the_first_frame_counts_from_the_reading_before() -> None:
    cases: list[tuple[dict[str, Any], float]] = [({}, 0.0), ({"previous_t_s": 999.5}, 0.6)]
    for previous, first_s in cases:
        road = Road()
        road.session = CalibrationSession(1.0, **previous)
        assert road.drive(0.1).session.driving_s == pytest.approx(first_s)


def test_standing_frames_do_not_count() -> None:
    road = Road().drive(20)
    progress = road.session.progress
    road.drive(IDLE_MAX_S - 30, motion=0.0)
    assert road.session.progress == progress
    assert road.drive(DRIVE_S - 19).names == ["UseReference", "UseThresholds"]


IDLE_FRAMES: dict[str, dict[str, Any]] = {
    "still": {"motion": 0.0},
    "frozen": {"pcc": 0.75},
    "warmup": {"warmed_up": False},
    **{name: {"status": name, "pcc": None} for name in ("dark", "flat", "no_frame", "error")},
}


@pytest.mark.parametrize("status", IDLE)
@pytest.mark.parametrize("before_s", [0.0, REFERENCE_PHASE_S + 10])
def test_uninformative_frames_end_it_after_a_while(status: str, before_s: float) -> None:
    road = Road().drive(before_s).drive(IDLE_MAX_S - 1, **IDLE_FRAMES[status])
    assert road.names == ["UseReference"] * (before_s > REFERENCE_PHASE_S)
    reason = road.drive(2, **IDLE_FRAMES[status]).rejection
    what, remedy = IDLE[status]
    assert reason.startswith(f"{what} for 90 s, at ")
    assert reason.endswith(remedy)
    assert "\n" not in reason


def test_a_drive_of_two_scenes_is_rejected() -> None:
    between = Road().drive(REFERENCE_PHASE_S + 1).drive(THRESHOLD_PHASE_S + 1, feature_maps=0.7)
    halfway = Road().drive(REFERENCE_PHASE_S + THRESHOLD_PHASE_S / 2).drive(THRESHOLD_PHASE_S, feature_maps=0.7)
    for road in (between, halfway):
        assert "two scenes" in road.rejection


def test_a_lens_that_is_obscured_by_the_calibration_in_force_is_rejected() -> None:
    road = Road().drive(10).drive(REFERENCE_PHASE_S - 9, alarm="obscured")
    assert "wipe the lens, or delete calibration.json" in road.rejection
    assert not road.session.in_threshold_phase


def test_a_short_alarm_is_no_obscured_lens() -> None:
    assert Road().drive(10, alarm="obscured").drive(REFERENCE_PHASE_S).names == ["UseReference"]


def test_a_scene_known_to_have_changed_is_what_calibration_is_for() -> None:
    road = Road().drive(30, alarm="obscured").drive(REFERENCE_PHASE_S - 29, alarm="drifting")
    assert "the lens is obscured" in road.rejection, "it may be a wet lens"
    road = Road(was_drifting=True).drive(5, alarm="still", motion=0.0).drive(REFERENCE_PHASE_S + 1, alarm="drifting")
    assert road.names == ["UseReference"]
    assert road.drive(THRESHOLD_PHASE_S + 1, alarm="calibrating").names == ["UseReference", "UseThresholds"]


def test_a_drive_that_seems_drifting_stays_so_while_no_frame_is_compared() -> None:
    road = Road().drive(1, alarm="drifting").drive(REFERENCE_PHASE_S, alarm="warmup")
    assert "the lens is obscured" in road.rejection
    assert Road().drive(1, alarm="drifting").drive(1).drive(REFERENCE_PHASE_S, alarm="warmup").names == ["UseReference"]


def test_a_drive_that_ends_too_early_or_has_too_few_frames_is_rejected() -> None:
    road = Road().drive(DRIVE_S / 2)
    rejected = road.session.stop()
    assert rejected is not None
    assert rejected.reason.startswith("too short: it ended at 50%; ")
    assert road.drive(DRIVE_S).names == ["UseReference"], "it goes on after its end"
    assert "150 frames can be scored and calibration needs 200" in Road(hz=2.0).drive(DRIVE_S + 2).rejection


def test_a_camera_whose_scores_hardly_vary_is_rejected() -> None:
    road = Road()
    while not road.names or road.names[-1] == "UseReference":
        road.drive(0.1, pcc=0.8 + 1e-7 * len(road.progress))
    assert "the car stood still" in road.rejection


def test_a_fast_camera_fills_no_more_memory() -> None:
    kept: dict[float, tuple[int, int]] = {}
    for hz in (10.0, 100.0):
        road = Road(hz)
        feature_maps = len(road.drive(REFERENCE_PHASE_S - 1).session._reference_phase._feature_maps)
        phase = road.drive(THRESHOLD_PHASE_S).session._threshold_phase
        assert phase is not None
        kept[hz] = (feature_maps, len(phase._logits))
    assert kept[100.0][0] <= REFERENCE_PHASE_S / 0.1 + 1
    assert kept[100.0][1] <= THRESHOLD_PHASE_S / 0.03 + 1
    assert kept[10.0][1] == pytest.approx((THRESHOLD_PHASE_S - 1) * 10, abs=2), (
        "a camera of 20 Hz and less is not thinned"
    )


def test_time_that_steps_back_or_stands_does_not_count() -> None:
    road = Road().drive(5)
    driving_s = road.session.driving_s
    road.t_s -= 100
    road.drive(1)
    assert road.session.driving_s == pytest.approx(driving_s + 0.9, abs=0.05)


def test_a_pause_does_not_count() -> None:
    road = Road().drive(5)
    driving_s = road.session.driving_s
    road.t_s += 100
    road.drive(1)
    assert road.session.driving_s == pytest.approx(driving_s + 0.9, abs=0.05)


def test_a_wrong_rate_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="give 1e-06 or more"):
        CalibrationSession(0.0)
