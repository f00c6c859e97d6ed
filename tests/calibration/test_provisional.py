"""Provisional thresholds as a state machine, and a monitor that makes them from a real drive."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driving_readings import driving_reading
from numpy.typing import NDArray

from mle_uvad.calibration import provisional as provisional_module
from mle_uvad.calibration.provisional import ProvisionalThresholds, UncalibratedMonitor
from mle_uvad.calibration.session import IDLE_MAX_S, REFERENCE_PHASE_S, THRESHOLD_PHASE_S, UseThresholds
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.evidence import Thresholds
from mle_uvad.edge.monitor import Monitor

HZ = 10.0
DRIVE_S = REFERENCE_PHASE_S + THRESHOLD_PHASE_S
LOOKS_OBSCURED = 2.6  # log odds; 0.8 of the 3.0 at which the shipped bundle raises an alarm without a calibration


class Road:
    """Feeds the readings of an uncalibrated car and collects what it is told to judge by."""

    def __init__(self, bundle: Bundle) -> None:
        self.provisional = ProvisionalThresholds(bundle, 1.0)
        self.rng = np.random.default_rng(1)
        self.t_s = 1000.0
        self.outcomes: list[UseThresholds] = []

    def drive(self, seconds: float, status: str = "uncalibrated", log_odds: Any = -5.0, **changes: Any) -> "Road":
        for _ in range(round(seconds * HZ)):
            self.t_s += 1 / HZ
            reading = driving_reading(self.rng, self.t_s, status, log_odds=log_odds, spread=0.1, **changes)
            if outcome := self.provisional.update(reading):
                self.outcomes.append(outcome)
        return self


@pytest.fixture
def road(shipped_bundle: Bundle) -> Road:
    return Road(shipped_bundle)


def test_two_minutes_of_clear_driving_give_thresholds(road: Road, shipped_bundle: Bundle) -> None:
    road.drive(REFERENCE_PHASE_S + 1)
    [with_reference] = road.outcomes
    assert with_reference.provisional
    assert with_reference.thresholds is not None
    assert with_reference.thresholds.excess == shipped_bundle.uncalibrated_excess, "those for any car, meanwhile"
    assert with_reference.thresholds.reference[0] == pytest.approx(0.5, abs=0.1)
    assert not road.provisional.in_force
    road.drive(THRESHOLD_PHASE_S)
    _, final = road.outcomes
    assert final.provisional
    assert final.thresholds is not None
    assert shipped_bundle.uncalibrated_excess is not None
    assert final.thresholds.excess[0] + final.thresholds.baseline.max() < shipped_bundle.uncalibrated_excess[0]
    assert road.provisional.in_force
    assert road.drive(60).drive(10, "obscured").drive(60).outcomes[2:] == [], "they hold, through events too"


@pytest.mark.parametrize("into_s", [20.0, REFERENCE_PHASE_S + 20.0])
@pytest.mark.parametrize(
    ("status", "log_odds"), [("obscured", -5.0), ("uncalibrated", LOOKS_OBSCURED), ("drifting", -5.0)]
)
def test_a_lens_that_looks_obscured_is_not_learnt(road: Road, into_s: float, status: str, log_odds: float) -> None:
    road.drive(into_s)
    known = len(road.outcomes)
    road.drive(5.0, status, log_odds)
    assert [outcome.thresholds for outcome in road.outcomes[known:]] == [None] * known, "back to those for any car"
    road.drive(DRIVE_S - 2)
    assert not road.provisional.in_force, "it begins again, with the first moment that looks clear"
    assert road.drive(4).provisional.in_force


def test_a_fault_too_weak_to_be_seen_is_not_learnt_if_it_stays(road: Road) -> None:
    """Nowhere near an alarm, but more likely a fault than not, all along and in one place."""
    drop = np.full((20, 20), -5.0, np.float32)
    drop[8:12, 8:12] = 0.5
    road.drive(3 * DRIVE_S, log_odds=drop)
    assert road.outcomes == []
    passing = [np.roll(drop, 4 * number, axis=1) for number in range(5)]
    for number in range(round(DRIVE_S + 46)):
        road.drive(1, log_odds=passing[number % 5])
    assert road.provisional.in_force, "what comes and goes is the scene"


def test_nothing_is_learnt_while_a_fault_lasts(road: Road) -> None:
    assert road.drive(3 * DRIVE_S, log_odds=LOOKS_OBSCURED).outcomes == []


def test_another_scene_ends_them(road: Road) -> None:
    road.drive(DRIVE_S + 1).drive(0.1, "drifting")
    assert road.outcomes[-1].thresholds is None
    assert not road.provisional.in_force


def test_a_car_that_stands_begins_again(road: Road) -> None:
    road.drive(REFERENCE_PHASE_S + 10).drive(IDLE_MAX_S + 1, "still", motion=0.0)
    assert road.outcomes[-1].thresholds is None
    assert road.drive(DRIVE_S + 1).provisional.in_force


def test_a_bundle_of_one_car_gets_none(bundle: Bundle) -> None:
    assert bundle.uncalibrated_excess is None
    assert Road(bundle).drive(2 * DRIVE_S).outcomes == []


def test_frames_whose_cells_were_not_scored_are_passed_over(road: Road) -> None:
    for _ in range(round((DRIVE_S + 1) * HZ / 2)):
        road.drive(0.1).drive(0.1, logits=None, feature_maps=None)
    assert road.provisional.in_force


def test_a_monitor_makes_them_from_a_drive(
    shipped_bundle: Bundle, moving_frames: Callable[..., list[NDArray[np.uint8]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status of a clear lens stays `uncalibrated` all along; another drive begins anew."""
    excess = (6.0, 5.0)  # the scene of this drive comes close to what the bundle takes for a fault
    monkeypatch.setattr(provisional_module, "STANDING_ODDS_MAX", 6.0)
    inner = Monitor(open_scorer(replace(shipped_bundle, uncalibrated_excess=excess)), None)
    monitor, frames, hz = UncalibratedMonitor(inner), moving_frames(320), 6.0
    statuses: set[str] = set()
    thresholds: list[Thresholds | None] = []
    for number in range(round((DRIVE_S + 8) * hz)):
        reading = monitor.update(frames[number % len(frames)] ^ np.uint8(number % 2), number / hz)
        statuses.add(reading.alarm.status)
        if not thresholds or thresholds[-1] is not inner.evidence.thresholds:
            thresholds.append(inner.evidence.thresholds)
    assert statuses == {"warmup", "uncalibrated"}
    any_car, meanwhile, provisional = thresholds
    assert any_car is not None
    assert meanwhile is not None
    assert provisional is not None
    assert any_car.excess == meanwhile.excess == excess
    assert provisional.reference is meanwhile.reference
    assert (provisional.baseline != 0).all()
    monitor.restart()
    assert inner.evidence.thresholds is not None
    assert inner.evidence.thresholds.reference is shipped_bundle.reference
