"""Evidence over time, from synthetic scores: averaging, gaps, both sides of the PCC's thresholds."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mle_uvad.edge.driving import GAP_S
from mle_uvad.edge.ema import ExponentialAverage
from mle_uvad.edge.evidence import SCORE_MAX, SLOW_RISE_S, Evidence, EvidenceState, Thresholds
from mle_uvad.edge.graph import FEATURE_MAPS, GRID_SIDE, REFERENCE_SIDE
from mle_uvad.edge.scorer import FrameScore

STATUSES = {"ok", "warmup", "uncalibrated", "still", "frozen", "no_frame", "error", "dark", "flat"}
NOWHERE = np.zeros((GRID_SIDE, GRID_SIDE), np.float32)
REFERENCE = np.ones((2, FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE), np.float32)


def thresholds(averaging_s: float = 1.0, threshold: float = math.inf) -> Thresholds:
    """A clear lens has a PCC of 0.5…0.9 around 0.7; with a threshold, its log odds lie less than that above −4."""
    return Thresholds((0.5, 0.7, 0.9), np.stack([NOWHERE - 4] * 2), (threshold, threshold), averaging_s, REFERENCE)


def score(
    pcc: float = 0.7, excess: float | np.ndarray = 0.0, motion: float = 0.1, warmed_up: bool = True
) -> FrameScore:
    return FrameScore("ok", pcc, (NOWHERE - 4 + excess).astype(np.float32), motion=motion, warmed_up=warmed_up)


def healthy(state: EvidenceState) -> EvidenceState:
    """What holds after every step, whatever came before."""
    assert state.status in STATUSES
    assert type(state.value) is float
    assert 0 <= state.value <= SCORE_MAX + 1e-6  # false for NaN
    assert 0 <= state.coverage <= 1
    if state.map is not None:
        assert state.map.dtype == np.float32
        assert state.map.shape == (GRID_SIDE, GRID_SIDE)
        assert 0 <= state.map.min() <= state.map.max() <= 1  # false for NaN
    return state


def feed(evidence: Evidence, pccs: list[float], start_s: float = 0.0, hz: float = 20.0) -> list[EvidenceState]:
    return [healthy(evidence.update(score(pcc), start_s + i / hz)) for i, pcc in enumerate(pccs)]


def jitter(pcc: float, count: int) -> list[float]:
    """No two neighbours are equal, as of a live camera."""
    return [pcc + 1e-6 * (i % 2) for i in range(count)]


def test_warm_up_lasts_one_time_constant() -> None:
    states = feed(Evidence(thresholds(averaging_s=1.0)), jitter(0.7, 40))
    assert [state.status for state in states] == ["warmup"] * 20 + ["ok"] * 20
    assert [state.status for state in feed(Evidence(thresholds(averaging_s=0)), [0.7])] == ["ok"]


def test_without_thresholds_every_scored_frame_is_uncalibrated() -> None:
    states = feed(Evidence(None), jitter(0.7, 40))
    assert {(state.status, state.value, state.coverage) for state in states} == {("uncalibrated", 0.0, 0.0)}


@pytest.mark.parametrize("pcc", [0.2, 0.45, 0.95, 0.999, -0.9, 1.0, -1.0])
def test_both_sides_of_the_pcc_raise_the_value_beyond_the_limit(pcc: float) -> None:
    assert feed(Evidence(thresholds(averaging_s=0)), [pcc])[0].value > 1


@pytest.mark.parametrize(("pcc", "value"), [(0.7, 0.0), (0.5, 1.0), (0.9, 1.0)])
def test_the_value_is_zero_in_the_centre_and_one_at_the_limits(pcc: float, value: float) -> None:
    assert feed(Evidence(thresholds(averaging_s=0)), [pcc])[0].value == pytest.approx(value, abs=1e-6)


def test_a_threshold_of_the_range_itself_is_never_reached() -> None:
    one_sided = replace(thresholds(averaging_s=0), pcc=(0.5, 0.7, 1.0))
    assert feed(Evidence(one_sided), [1.0])[0].value < 1
    assert feed(Evidence(one_sided), [0.4])[0].value > 1
    other = replace(thresholds(averaging_s=0), pcc=(-1.0, 0.7, 0.9))
    assert feed(Evidence(other), [-1.0])[0].value < 1
    assert feed(Evidence(other), [0.95])[0].value > 1


def test_the_average_does_not_depend_on_the_frame_rate() -> None:
    def value_after_step(hz: float) -> list[float]:
        count = round(3 * hz)
        clear, wet = jitter(0.7, count), jitter(0.4, count)
        states = feed(Evidence(thresholds()), clear + wet, hz=hz)[count:]
        return [states[round(t * hz) - 1].value for t in (0.5, 1.0, 2.0, 3.0)]

    slow, fast = value_after_step(10), value_after_step(20)
    assert slow == pytest.approx(fast, abs=0.08)
    assert value_after_step(60) == pytest.approx(fast, abs=0.08)
    assert slow == sorted(slow)
    # After a whole time constant 63 % of the step has come through.
    low, median = np.arctanh([0.5, 0.7])
    step = float((median - np.arctanh(0.4)) / (median - low))
    assert fast[1] == pytest.approx(step * (1 - math.exp(-1)), rel=0.06)


def test_the_first_frame_has_no_special_weight() -> None:
    evidence = Evidence(thresholds())
    [first, *rest] = feed(evidence, [0.0, *jitter(0.7, 19)])
    assert first.value > 1
    assert rest[-1].value == pytest.approx(first.value / 20, rel=0.5)


def test_a_wiped_lens_is_clear_within_seconds_however_covered_it_was() -> None:
    evidence = Evidence(thresholds())
    feed(evidence, jitter(-0.999, 200))
    wiped = [state.value for state in feed(evidence, jitter(0.7, 60), start_s=10.0)]
    assert wiped == sorted(wiped, reverse=True)
    assert wiped[0] > 2
    assert wiped[round(math.log(SCORE_MAX / 0.8) * 20) + 1] < 0.8


def test_a_gap_starts_the_average_afresh() -> None:
    evidence = Evidence(thresholds())
    feed(evidence, jitter(0.3, 60))
    before = healthy(evidence.update(score(0.7), 3.0 + GAP_S - 0.06))  # still the same drive
    assert before.status == "ok"
    assert before.value > 0.1
    after = healthy(evidence.update(score(0.71), 3.0 + 2 * GAP_S + 0.1))
    assert after.status == "warmup"
    assert after.value < 0.1


def test_time_that_runs_backwards_starts_the_average_afresh() -> None:
    evidence = Evidence(thresholds())
    feed(evidence, jitter(0.3, 60), start_s=100.0)
    after = healthy(evidence.update(score(0.71), 50.0))
    assert after.status == "warmup"
    assert after.value < 0.1
    assert feed(evidence, jitter(0.7, 30), start_s=50.05)[-1].status == "ok"


def test_frames_of_one_moment_do_no_harm() -> None:
    evidence = Evidence(thresholds())
    for pcc in jitter(0.7, 50):
        assert healthy(evidence.update(score(pcc), 5.0)).status == "warmup"


def test_a_frame_without_score_keeps_what_was_gathered() -> None:
    evidence = Evidence(thresholds())
    last = feed(evidence, jitter(0.45, 60))[-1]
    for status in ("no_frame", "dark", "flat", "error"):
        held = healthy(evidence.update(FrameScore(status), 3.0))
        assert held.status == status
        assert (held.value, held.coverage) == (last.value, last.coverage)
        assert held.map is last.map
    assert healthy(evidence.update(score(0.45), 3.1)).value == pytest.approx(last.value, rel=0.1)


def test_a_frame_without_score_before_any_other_has_nothing_to_keep() -> None:
    assert vars(healthy(Evidence(thresholds()).update(FrameScore("no_frame"), 0.0))) == vars(EvidenceState("no_frame"))


def test_a_restart_forgets_everything() -> None:
    evidence = Evidence(thresholds())
    feed(evidence, jitter(0.3, 60))
    evidence.restart()
    assert healthy(evidence.update(FrameScore("dark"), 3.0)).value == 0
    assert feed(evidence, jitter(0.7, 5), start_s=3.05)[-1].value < 0.1


def test_whatever_comes_the_state_stays_healthy(rng: np.random.Generator) -> None:
    steps_s = [0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.02, 0.02, 0.0, 0.0, 0.4, 0.4, 3.0, -1.0, 1e6]
    kinds = ["ok", "ok", "ok", "ok", "dark", "no_frame", "error", "flat"]
    seen = set()
    for averaging_s, threshold in ((0.0, 1.0), (0.3, 2.0), (1.0, 1.0), (0.5, math.inf)):
        evidence, t_s, pcc = Evidence(thresholds(averaging_s, threshold)), 0.0, 0.7
        for _ in range(1000):
            t_s += float(rng.choice(steps_s))
            kind = str(rng.choice(kinds))
            if rng.random() < 0.2:
                pcc = float(rng.choice([rng.uniform(-1, 1), 1.0, -1.0, 0.7]))
            excess = rng.normal(0, 10 ** rng.uniform(-2, 6), (GRID_SIDE, GRID_SIDE))
            given = score(pcc, excess, motion=float(rng.choice([0.0, 0.1])), warmed_up=bool(rng.random() < 0.8))
            state = healthy(evidence.update(given if kind == "ok" else FrameScore(kind), t_s))
            assert kind == "ok" or state.status == kind
            seen.add(state.status)
    assert seen == STATUSES - {"uncalibrated"}


def test_time_average_of_a_constant_is_the_constant(rng: np.random.Generator) -> None:
    average, t_s = ExponentialAverage((1.0, 2.0), (0.5, 3.0)), 0.0
    for _ in range(200):
        t_s += float(rng.uniform(0, 0.2))
        means = average.update(np.array([2.5, -1.0]), t_s)  # the first frame falls and excess by as much
        assert means == pytest.approx(np.array([[2.5, -1.0]] * 2))


def test_an_average_may_fall_faster_than_it_rises() -> None:
    average = ExponentialAverage((SLOW_RISE_S, SLOW_RISE_S), (SLOW_RISE_S, 0.5))
    for i in range(2000):
        average.update(np.zeros(1), i / 100)
    risen = [average.update(np.ones(1), 20 + i / 100)[:, 0] for i in range(200)]
    assert risen[-1] == pytest.approx([1 - math.exp(-1)] * 2, rel=0.02)
    fallen = [average.update(np.zeros(1), 22 + i / 100)[:, 0] for i in range(50)]
    assert fallen[-1] / risen[-1] == pytest.approx([math.exp(-0.25), math.exp(-1)], rel=0.02)
    assert average.warmed_up == [True, True]


def test_the_papers_rule_judges_single_frames_before_the_running_means_settles() -> None:
    evidence = Evidence(replace(thresholds(averaging_s=0), pcc=(0.5, 0.7, 1.0)))
    for number, (pcc, value) in enumerate([(0.7, 0.0), (0.5, 1.0), (0.2, 2.1), (0.8, 0.0)]):
        # Of a standing car too: the PCC needs nothing that moves.
        state = healthy(evidence.update(score(pcc, excess=99.0, motion=0.0, warmed_up=False), 0.05 * number))
        assert (state.status, state.coverage) == ("ok", 0.0)
        assert state.value == pytest.approx(value, abs=0.1)
