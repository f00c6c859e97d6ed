"""Evidence over time, from made-up scores: averaging, gaps, frozen cameras, both sides of the limits."""

import math

import numpy as np
import pytest

from mle_uvad.edge.evidence import (
    GAP_S,
    SCORE_MAX,
    Evidence,
    EvidenceState,
    Limits,
    TimeAverage,
    deviation,
    figures,
    worst_mean,
)
from mle_uvad.edge.scorer import FrameScore

STATUSES = {"ok", "warmup", "uncalibrated", "frozen", "no_frame", "error", "dark", "flat"}


def limits(averaging_s: float = 1.0, places_limit: float = 1.0) -> Limits:
    """A clear lens has a PCC of 0.5…0.9 around 0.7, and a sharpness of 1…5 around 3; one place has no limit."""
    places = np.empty((3, 10, 10), np.float32)
    places[0], places[1], places[2] = 1, 3, 5
    places[0, 9, 9], places[2, 9, 9] = -np.inf, np.inf
    return Limits((0.5, 0.7, 0.9), places, places_limit, averaging_s)


def score(pcc: float = 0.7, sharpness: float | np.ndarray = 3.0) -> FrameScore:
    residual = np.full((10, 10), 99.0)  # is not looked at
    return FrameScore("ok", pcc, np.stack([residual, np.broadcast_to(sharpness, (10, 10))]).astype(np.float32))


def healthy(state: EvidenceState) -> EvidenceState:
    """What holds after every step, whatever came before."""
    assert state.status in STATUSES
    assert type(state.value) is float
    assert 0 <= state.value <= SCORE_MAX + 1e-6  # false for NaN
    assert 0 <= state.coverage <= 1
    if state.map is not None:
        assert state.map.dtype == np.float32
        assert state.map.shape == (10, 10)
        assert 0 <= state.map.min() <= state.map.max() <= 1  # false for NaN
    return state


def feed(evidence: Evidence, pccs: list[float], start_s: float = 0.0, hz: float = 20.0) -> list[EvidenceState]:
    return [healthy(evidence.update(score(pcc), start_s + i / hz)) for i, pcc in enumerate(pccs)]


def jitter(pcc: float, count: int) -> list[float]:
    """No two neighbours are equal, as of a live camera."""
    return [pcc + 1e-6 * (i % 2) for i in range(count)]


def test_warm_up_lasts_one_time_constant() -> None:
    states = feed(Evidence(limits(averaging_s=1.0)), jitter(0.7, 40))
    assert [state.status for state in states] == ["warmup"] * 20 + ["ok"] * 20
    assert [state.status for state in feed(Evidence(limits(averaging_s=0)), [0.7])] == ["ok"]


def test_without_limits_every_scored_frame_is_uncalibrated() -> None:
    states = feed(Evidence(None), jitter(0.7, 40))
    assert {(state.status, state.value, state.coverage) for state in states} == {("uncalibrated", 0.0, 0.0)}


@pytest.mark.parametrize("pcc", [0.2, 0.45, 0.95, 0.999, -0.9, 1.0, -1.0])
def test_both_sides_of_the_pcc_raise_the_value_beyond_the_limit(pcc: float) -> None:
    assert feed(Evidence(limits(averaging_s=0)), [pcc])[0].value > 1


@pytest.mark.parametrize(("pcc", "value"), [(0.7, 0.0), (0.5, 1.0), (0.9, 1.0)])
def test_the_value_is_zero_in_the_centre_and_one_at_the_limits(pcc: float, value: float) -> None:
    assert feed(Evidence(limits(averaging_s=0)), [pcc])[0].value == pytest.approx(value, abs=1e-6)


def test_a_limit_of_the_range_itself_is_never_reached() -> None:
    one_sided = Limits((0.5, 0.7, 1.0), limits().places, 1.0, 0.0)
    assert feed(Evidence(one_sided), [1.0])[0].value < 1
    assert feed(Evidence(one_sided), [0.4])[0].value > 1
    other = Limits((-1.0, 0.7, 0.9), limits().places, 1.0, 0.0)
    assert feed(Evidence(other), [-1.0])[0].value < 1
    assert feed(Evidence(other), [0.95])[0].value > 1


def some_places() -> np.ndarray:
    sharpness = np.full((10, 10), 3.0)
    sharpness[0, 0] = 0.5  # beyond the low limit, by a quarter
    sharpness[2, 3] = 7.0  # twice as far as the high one
    sharpness[5, 5] = 4.0  # half of the way
    sharpness[9, 9] = 1e6  # has no limit
    return sharpness


def test_coverage_and_map_tell_where_on_either_side() -> None:
    state = healthy(Evidence(limits(averaging_s=0)).update(score(0.7, some_places()), 0.0))
    assert state.map is not None
    assert state.coverage == pytest.approx(0.02)
    assert state.map[0, 0] == state.map[2, 3] == 1.0
    assert state.map[5, 5] == pytest.approx(0.5)
    assert state.map[9, 9] == 0.0
    assert state.map.sum() == pytest.approx(2.5)
    assert state.value == pytest.approx((1.25 + 2.0 + 0.5) / 10)  # the ten worst places


def test_the_limit_of_the_places_is_a_scale_for_all_of_them() -> None:
    state = healthy(Evidence(limits(averaging_s=0, places_limit=1.6)).update(score(0.7, some_places()), 0.0))
    assert state.map is not None
    assert state.coverage == pytest.approx(0.01)
    assert state.map[0, 0] == pytest.approx(1.25 / 1.6)
    assert state.value == pytest.approx((1.25 + 2.0 + 0.5) / 10 / 1.6)


@pytest.mark.parametrize("sharpness", [0.5, 5.5])
def test_ten_places_beyond_their_limit_are_an_alarm_and_their_share_the_coverage(sharpness: float) -> None:
    tenth = np.full((10, 10), 3.0)
    tenth[4] = sharpness
    state = healthy(Evidence(limits(averaging_s=0)).update(score(0.7, tenth), 0.0))
    assert state.value == pytest.approx(1.25)
    assert state.coverage == pytest.approx(0.10)
    everywhere = healthy(Evidence(limits(averaging_s=0)).update(score(0.7, sharpness), 0.0))
    assert everywhere.coverage == pytest.approx(0.99)


def test_the_value_is_the_larger_of_pcc_and_places() -> None:
    evidence = Evidence(limits(averaging_s=0))
    by_pcc = healthy(evidence.update(score(0.5, 4.0), 0.0))
    by_places = healthy(evidence.update(score(0.7001, 6.0), 0.1))
    assert (by_pcc.value, by_pcc.coverage) == (pytest.approx(1.0), 0.0)
    assert by_places.value == pytest.approx(1.5)


def test_the_average_does_not_depend_on_the_frame_rate() -> None:
    def value_after_step(hz: float) -> list[float]:
        count = round(3 * hz)
        clear, wet = jitter(0.7, count), jitter(0.4, count)
        states = feed(Evidence(limits()), clear + wet, hz=hz)[count:]
        return [states[round(t * hz) - 1].value for t in (0.5, 1.0, 2.0, 3.0)]

    slow, fast = value_after_step(10), value_after_step(20)
    assert slow == pytest.approx(fast, abs=0.08)
    assert value_after_step(60) == pytest.approx(fast, abs=0.08)
    assert slow == sorted(slow)
    # After a whole time constant 63 % of the step has come through.
    step = float(deviation(np.arctanh(0.4), *np.arctanh([0.5, 0.7, 0.9])))
    assert fast[1] == pytest.approx(step * (1 - math.exp(-1)), rel=0.06)


def test_the_first_frame_has_no_special_weight() -> None:
    evidence = Evidence(limits())
    [first, *rest] = feed(evidence, [0.0, *jitter(0.7, 19)])
    assert first.value > 1
    assert rest[-1].value == pytest.approx(first.value / 20, rel=0.5)


def test_one_frame_says_so_much_and_no_more() -> None:
    evidence = Evidence(limits(averaging_s=0))
    for pcc, sharpness in ((-1.0, 3.0), (1.0, 3.0), (0.7, -1e6), (0.7, 1e6)):
        assert healthy(evidence.update(score(pcc, sharpness), 0.0)).value == pytest.approx(SCORE_MAX, abs=1e-6)
    one_place = np.full((10, 10), 3.0)
    one_place[4, 4] = 1e6
    state = healthy(evidence.update(score(0.7, one_place), 0.0))
    assert (state.value, state.coverage) == (pytest.approx(SCORE_MAX / 10), 0.01)  # no place alone is an alarm


def test_a_wiped_lens_is_clear_within_seconds_however_covered_it_was() -> None:
    evidence = Evidence(limits())
    feed(evidence, jitter(-0.999, 200))
    wiped = [state.value for state in feed(evidence, jitter(0.7, 60), start_s=10.0)]
    assert wiped == sorted(wiped, reverse=True)
    assert wiped[0] > 2
    assert wiped[round(math.log(SCORE_MAX / 0.8) * 20) + 1] < 0.8


def test_a_gap_starts_the_average_afresh() -> None:
    evidence = Evidence(limits())
    feed(evidence, jitter(0.3, 60))
    before = healthy(evidence.update(score(0.7), 3.0 + GAP_S - 0.06))  # still the same drive
    assert before.status == "ok"
    assert before.value > 0.1
    after = healthy(evidence.update(score(0.71), 3.0 + 2 * GAP_S + 0.1))
    assert after.status == "warmup"
    assert after.value < 0.1


def test_time_that_runs_backwards_starts_the_average_afresh() -> None:
    evidence = Evidence(limits())
    feed(evidence, jitter(0.3, 60), start_s=100.0)
    after = healthy(evidence.update(score(0.71), 50.0))
    assert after.status == "warmup"
    assert after.value < 0.1
    assert feed(evidence, jitter(0.7, 30), start_s=50.05)[-1].status == "ok"


def test_frames_of_one_moment_do_no_harm() -> None:
    evidence = Evidence(limits())
    for pcc in jitter(0.7, 50):
        assert healthy(evidence.update(score(pcc), 5.0)).status == "warmup"


def test_a_frame_without_score_keeps_what_was_gathered() -> None:
    evidence = Evidence(limits())
    last = feed(evidence, jitter(0.45, 60))[-1]
    for status in ("no_frame", "dark", "flat", "error"):
        held = healthy(evidence.update(FrameScore(status), 3.0))
        assert held.status == status
        assert (held.value, held.coverage) == (last.value, last.coverage)
        assert held.map is last.map
    assert healthy(evidence.update(score(0.45), 3.1)).value == pytest.approx(last.value, rel=0.1)


def test_a_frame_without_score_before_any_other_has_nothing_to_keep() -> None:
    assert healthy(Evidence(limits()).update(FrameScore("no_frame"), 0.0)) == EvidenceState("no_frame")


def test_a_restart_forgets_everything() -> None:
    evidence = Evidence(limits())
    feed(evidence, jitter(0.3, 60))
    evidence.restart()
    assert healthy(evidence.update(FrameScore("dark"), 3.0)).value == 0
    assert feed(evidence, jitter(0.7, 5), start_s=3.05)[-1].value < 0.1


def test_whatever_comes_the_state_stays_healthy(rng: np.random.Generator) -> None:
    steps_s = [0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.02, 0.02, 0.0, 0.0, 0.4, 0.4, 3.0, -1.0, 1e6]
    kinds = ["ok", "ok", "ok", "ok", "dark", "no_frame", "error", "flat"]
    seen = set()
    for averaging_s in (0.0, 0.3, 1.0):
        evidence, t_s, pcc = Evidence(limits(averaging_s)), 0.0, 0.7
        for _ in range(1500):
            t_s += float(rng.choice(steps_s))
            kind = str(rng.choice(kinds))
            if rng.random() < 0.2:
                pcc = float(rng.choice([rng.uniform(-1, 1), 1.0, -1.0, 0.7]))
            sharpness = rng.normal(3, 10 ** rng.uniform(-2, 6), (10, 10))
            state = healthy(evidence.update(score(pcc, sharpness) if kind == "ok" else FrameScore(kind), t_s))
            assert kind == "ok" or state.status == kind
            seen.add(state.status)
    assert seen == STATUSES - {"uncalibrated"}


def test_time_average_of_a_constant_is_the_constant(rng: np.random.Generator) -> None:
    average, t_s = TimeAverage(1.0), 0.0
    for _ in range(200):
        t_s += float(rng.uniform(0, 0.2))
        assert average.update(np.array([2.5, -1.0]), t_s) == pytest.approx([2.5, -1.0])


def test_figures_put_fishers_z_before_the_sharpness() -> None:
    maps = np.arange(400, dtype=np.float32).reshape(2, 2, 10, 10)
    table = figures(np.array([0.5, 1.0]), maps)
    assert table.shape == (2, 101)
    assert table.dtype == np.float64
    assert table[0, 0] == pytest.approx(math.atanh(0.5))
    assert math.isfinite(table[1, 0])
    assert np.array_equal(table[:, 1:].reshape(2, 10, 10), maps[:, 1])


def test_the_worst_mean_is_that_of_the_ten_largest(rng: np.random.Generator) -> None:
    deviations = rng.normal(size=(7, 100))
    assert worst_mean(deviations) == pytest.approx(np.sort(deviations, axis=1)[:, 90:].mean(1))
