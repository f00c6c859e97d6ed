"""Where the lens is obscured, from synthetic log odds: what counts as evidence, and when the cells say nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mle_uvad.edge.alarm import Alarm, AlarmState
from mle_uvad.edge.evidence import (
    SCORE_MAX,
    SLOW_RISE_S,
    WORST_CELLS,
    Evidence,
    EvidenceState,
    Thresholds,
    mean_of_worst,
)
from mle_uvad.edge.graph import FEATURE_MAPS, GRID_SIDE, REFERENCE_SIDE
from mle_uvad.edge.scorer import STILL_MOTION, FrameScore

HZ = 20.0
EXCESS = 2.0
MEDIAN = np.linspace(-6, -2, GRID_SIDE * GRID_SIDE, dtype=np.float32).reshape(GRID_SIDE, GRID_SIDE)
BASELINE = np.stack([MEDIAN, MEDIAN])
REFERENCE = np.ones((2, FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE), np.float32)
SINGLE = Thresholds(
    (-1.0, 0.7, 1.0), BASELINE, (EXCESS, math.inf), averaging_s=0.0, reference=REFERENCE
)  # frame by frame
CAR = replace(SINGLE, averaging_s=0.5)


class Drive:
    """Evidence and alarm of one car, fed with excess above baseline; no two frames have the same PCC."""

    def __init__(self, thresholds: Thresholds = SINGLE) -> None:
        self.evidence, self.alarm = Evidence(thresholds), Alarm()
        self.frames = 0
        self.state = EvidenceState("warmup")
        self.said = AlarmState(False, 0, 0.0, "warmup")

    def see(self, excess: float | np.ndarray = 0.0, motion: float = 0.1, warmed_up: bool = True) -> EvidenceState:
        self.frames += 1
        logits = (MEDIAN + excess).astype(np.float32)
        score = FrameScore("ok", 0.7 + 1e-6 * (self.frames % 2), logits, motion=motion, warmed_up=warmed_up)
        self.state = self.evidence.update(score, self.frames / HZ)
        self.said = self.alarm.update(self.state, self.frames / HZ)
        return self.state

    def see_for(self, seconds: float, excess: float | np.ndarray = 0.0, motion: float = 0.1) -> list[EvidenceState]:
        return [self.see(excess, motion) for _ in range(round(seconds * HZ))]


def cells_with(count: int, excess: float, elsewhere: float = 0.0) -> np.ndarray:
    """`count` cells in a row that excess."""
    cells = np.full(GRID_SIDE * GRID_SIDE, elsewhere)
    cells[40 : 40 + count] = excess
    return cells.reshape(GRID_SIDE, GRID_SIDE)


@pytest.fixture
def wet() -> Drive:
    """A car with an event: a drop over sixty cells, for five seconds."""
    drive = Drive(CAR)
    drive.see_for(3.0)
    drive.see_for(5.0, cells_with(60, 100.0))
    assert drive.said.obscured
    return drive


def values(state: EvidenceState) -> tuple[str, float, float]:
    """All but the map: arrays are not compared by ==."""
    return state.status, state.value, state.coverage


def test_ordinary_odds_are_no_evidence_however_high_they_are() -> None:
    drive = Drive(replace(SINGLE, baseline=BASELINE + 9))
    assert values(drive.see(9.0)) == ("ok", 0.0, 0.0)
    assert drive.state.map is not None
    assert not drive.state.map.any()


@pytest.mark.parametrize("fall", [-0.5, -EXCESS, -50.0, -1e30])
def test_a_fall_is_no_evidence(fall: float) -> None:
    state = Drive().see(fall)
    assert (state.value, state.coverage) == (pytest.approx(max(fall / EXCESS, -SCORE_MAX)), 0.0)
    assert state.map is not None
    assert not state.map.any()
    assert Drive().see(cells_with(WORST_CELLS, 1.5 * EXCESS, elsewhere=fall)).value == pytest.approx(1.5)


def test_the_eight_worst_cells_make_the_value() -> None:
    assert Drive().see(cells_with(8, EXCESS)).value == pytest.approx(1.0)
    assert Drive().see(cells_with(9, EXCESS)).value == pytest.approx(1.0)
    assert Drive().see(cells_with(400 - 40, EXCESS)).value == pytest.approx(1.0)
    assert Drive().see(cells_with(4, EXCESS)).value == pytest.approx(0.5)
    assert Drive().see(cells_with(4, 2 * EXCESS, elsewhere=0.5 * EXCESS)).value == pytest.approx(1.25)


def test_one_frame_says_so_much_of_a_cell_and_no_more() -> None:
    assert Drive().see(1e6).value == pytest.approx(SCORE_MAX)
    assert Drive().see(cells_with(8, SCORE_MAX * EXCESS)).value == pytest.approx(SCORE_MAX)
    one = Drive().see(cells_with(1, 1e6))
    assert (one.value, one.coverage) == (pytest.approx(SCORE_MAX / 8), 1 / 400)  # no cell alone is an alarm
    assert SCORE_MAX / 8 < 1


def test_coverage_and_map_tell_where() -> None:
    cells = cells_with(30, 1.2 * EXCESS)
    cells[12, 3], cells[13, 3] = 0.5 * EXCESS, -9.0
    state = Drive().see(cells)
    assert state.coverage == pytest.approx(30 / 400)
    assert state.map is not None
    assert state.map.dtype == np.float32
    assert (state.map.ravel()[40:70] == 1.0).all()
    assert state.map[12, 3] == pytest.approx(0.5)
    assert state.map.sum() == pytest.approx(30.5)


def test_the_value_is_the_larger_of_pcc_and_cells() -> None:
    evidence = Evidence(replace(SINGLE, pcc=(0.5, 0.7, 0.9)))
    by_pcc = evidence.update(FrameScore("ok", 0.5, MEDIAN + 1, motion=0.1, warmed_up=True), 0.0)
    by_cells = evidence.update(FrameScore("ok", 0.7001, MEDIAN + 3, motion=0.1, warmed_up=True), 0.1)
    assert (by_pcc.value, by_pcc.coverage) == (pytest.approx(1.0), 0.0)
    assert (by_cells.value, by_cells.coverage) == (pytest.approx(1.5), 1.0)


def test_a_wiped_lens_is_clear_within_three_seconds_however_covered_it_was(wet: Drive) -> None:
    assert wet.state.value == pytest.approx(SCORE_MAX, rel=0.01)
    cleared = wet.see_for(3.0)
    values = [state.value for state in cleared]
    assert values == sorted(values, reverse=True)
    assert not wet.said.obscured
    assert wet.see_for(1.0)[-1].value < 0.01


def test_it_warms_up_until_the_running_means_is_warmed_up_and_then_for_its_own_average() -> None:
    drive = Drive(CAR)
    for _ in range(40):
        assert vars(drive.see(cells_with(60, 100.0), warmed_up=False)) == vars(
            EvidenceState("warmup")
        )  # nothing is gathered yet
    assert [state.status for state in drive.see_for(1.0)] == ["warmup"] * 10 + ["ok"] * 10
    assert drive.state.value < 0.01


def test_a_running_means_that_begins_again_keeps_the_decision(wet: Drive) -> None:
    before, event = wet.state, wet.said
    for _ in range(30):
        assert values(wet.see(warmed_up=False)) == ("warmup", before.value, before.coverage)
    assert wet.said == replace(event, status="warmup")


@pytest.mark.parametrize("motion", [0.0, 0.5 / 255, 0.99 * STILL_MOTION])
def test_a_standing_car_keeps_the_decision(wet: Drive, motion: float) -> None:
    before, event = wet.state, wet.said
    for state in wet.see_for(10.0, excess=0.0, motion=motion):  # what it sees now says nothing of the lens
        assert values(state) == ("still", before.value, before.coverage)
    assert wet.said == replace(event, status="still")
    wet.see_for(3.0, motion=1.01 * STILL_MOTION)
    assert (wet.said.obscured, wet.said.status) == (False, "ok")


def test_a_standing_car_raises_nothing() -> None:
    drive = Drive(CAR)
    drive.see_for(3.0)
    assert {state.status for state in drive.see_for(10.0, excess=100.0, motion=0.0)} == {"still"}
    assert not drive.said.obscured
    assert drive.state.value == 0.0


def test_without_a_threshold_of_the_cells_neither_stillness_nor_the_running_means_matters() -> None:
    evidence = Evidence(replace(SINGLE, excess=(math.inf, math.inf)))
    state = evidence.update(FrameScore("ok", 0.7, MEDIAN + 99), 0.0)
    assert (state.status, state.value, state.coverage) == ("ok", 0.0, 0.0)
    assert state.map is not None
    assert not state.map.any()


def test_what_lasts_is_believed_at_a_lower_threshold_and_what_passes_is_not() -> None:
    """A weak fault that stays, and a bare wall that passes with the same odds."""
    both = replace(CAR, excess=(EXCESS, EXCESS / 2))
    stays, passes = Drive(both), Drive(both)
    for drive in (stays, passes):
        drive.see_for(5.0)
        drive.see_for(0.7, cells_with(60, 0.8 * EXCESS))
        assert not drive.said.obscured
    stays.see_for(2.5, cells_with(60, 0.8 * EXCESS))
    assert stays.said.obscured
    assert stays.state.coverage == pytest.approx(60 / 400)
    for _ in range(5):
        passes.see_for(1.0)
        passes.see_for(0.7, cells_with(60, 0.8 * EXCESS))
        assert not passes.said.obscured
    single = Drive(CAR)  # the fast average alone never says so
    single.see_for(20.0, cells_with(60, 0.8 * EXCESS))
    assert not single.said.obscured


def test_the_lasting_average_waits_until_it_has_warmed_up() -> None:
    drive = Drive(replace(CAR, excess=(EXCESS, EXCESS / 2)))
    early = drive.see_for(SLOW_RISE_S, cells_with(60, 0.8 * EXCESS))
    assert max(state.value for state in early) < 1 < drive.see_for(0.5, cells_with(60, 0.8 * EXCESS))[-1].value


def test_the_worst_mean_is_that_of_the_eight_largest(rng: np.random.Generator) -> None:
    deviations = rng.normal(size=(7, 400))
    assert mean_of_worst(deviations) == pytest.approx(np.sort(deviations, axis=1)[:, -8:].mean(1))


def test_a_weak_fault_is_believed_though_the_car_stops_again_and_again() -> None:
    """What lasts is counted in seconds of driving: nothing is forgotten while the car stands."""
    drive = Drive(replace(CAR, excess=(EXCESS, EXCESS / 2)))
    drive.see_for(5.0)
    for _ in range(3):
        drive.see_for(1.0, cells_with(60, 0.8 * EXCESS))
        drive.see_for(10.0, motion=0.0)
    drive.see_for(0.5, cells_with(60, 0.8 * EXCESS))
    assert drive.said.obscured


def test_between_two_frames_with_scored_cells_their_evidence_stands_and_the_pcc_is_followed() -> None:
    evidence = Evidence(replace(SINGLE, pcc=(0.5, 0.7, 0.9)))
    looked = evidence.update(FrameScore("ok", 0.7001, MEDIAN + 3, motion=0.1, warmed_up=True), 0.0)
    between = evidence.update(FrameScore("ok", 0.7002, motion=0.1, warmed_up=True), 0.05)
    assert values(between) == values(looked)
    assert between.map is looked.map
    by_pcc = evidence.update(FrameScore("ok", -0.5, motion=0.1, warmed_up=True), 0.1)
    assert (by_pcc.value, by_pcc.coverage) == (pytest.approx(SCORE_MAX), 1.0)
    assert evidence.update(FrameScore("ok", 0.7, MEDIAN, motion=0.1, warmed_up=True), 0.2).coverage == 0.0


def test_a_verdict_waits_for_scored_cells_at_the_start_and_after_an_interruption() -> None:
    evidence = Evidence(SINGLE)
    assert evidence.update(FrameScore("ok", 0.71, motion=0.1, warmed_up=True), 0.0).status == "warmup"
    assert evidence.update(FrameScore("ok", 0.72, MEDIAN + 9, motion=0.1, warmed_up=True), 0.1).status == "ok"
    evidence.update(FrameScore("ok", 0.71, motion=0.1, warmed_up=False), 9.0)  # the running means have begun again
    assert evidence.update(FrameScore("ok", 0.72, motion=0.1, warmed_up=True), 12.0).status == "warmup"
    assert evidence.update(FrameScore("ok", 0.71, MEDIAN, motion=0.1, warmed_up=True), 12.1).value == 0.0
