"""The rules: the thresholds each gives for the scores of a drive, and the drives it refuses."""

import math
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.calibration.blocks import BLOCK_S, Segment, block_maxima, filtered_segments
from mle_uvad.calibration.return_level import return_level
from mle_uvad.calibration.rules import (
    AVERAGING_S,
    BASELINE_MIN,
    EXCESS_MIN,
    PCC_AVERAGING_S,
    PRIORS,
    block_probability,
    clean_thresholds,
    excess_thresholds,
    median_thresholds,
    paper_thresholds,
    pcc_thresholds,
)
from mle_uvad.edge.alarm import RAISE_AFTER_S, Alarm
from mle_uvad.edge.ema import ExponentialAverage
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.evidence import Evidence, EvidenceState, Thresholds, cell_filters, mean_of_worst
from mle_uvad.edge.graph import FEATURE_MAPS, GRID_SIDE
from mle_uvad.edge.reference import Reference
from mle_uvad.edge.scorer import FrameScore

Array = NDArray[np.float64]
Rule = Callable[[tuple[Array, Array, Array], float], Thresholds]
HZ = 10.0
REFERENCE: Reference = np.ones((2, FEATURE_MAPS, 10, 10), np.float32)


def smooth_noise(rng: np.random.Generator, count: int, columns: int, correlation_s: float = 0.5) -> Array:
    """Draw a Gaussian series [count, columns] of deviation 1, correlated in time as on a drive."""
    kept = math.exp(-1 / (HZ * correlation_s))
    series = rng.normal(0, math.sqrt(1 - kept**2), (count, columns))
    series[0] /= math.sqrt(1 - kept**2)
    for i in range(1, count):
        series[i] += kept * series[i - 1]
    return series


def drive(rng: np.random.Generator, seconds: float) -> tuple[Array, Array, Array]:
    """Draw PCCs [N], log odds [N, 20, 20] and times [N] of a synthetic clean drive."""
    count = round(seconds * HZ)
    noise = smooth_noise(rng, count, 1 + 16)
    odds = -3 + 1.5 * noise[:, 1:].reshape(-1, 4, 4).repeat(5, axis=1).repeat(5, axis=2)  # neighbours are alike
    return np.tanh(1.2 + 0.15 * noise[:, 0]), odds, np.arange(count) / HZ


def clean(recording: tuple[Array, Array, Array], rate: float = 1.0) -> Thresholds:
    return clean_thresholds(*recording, REFERENCE, rate)[0]


def by_pcc(recording: tuple[Array, Array, Array], rate: float = 1.0) -> Thresholds:
    return pcc_thresholds(recording[0], recording[2], REFERENCE, rate)


def values(thresholds: Thresholds, pccs: Array, logits: Array, times_s: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the evidence of each frame as on the car, and whether the filters had warmed up."""
    evidence = Evidence(thresholds)
    states = [
        evidence.update(FrameScore("ok", float(pcc), odds.astype(np.float32), motion=1.0, warmed_up=True), float(t_s))
        for pcc, odds, t_s in zip(pccs, logits, times_s, strict=True)
    ]
    return np.array([state.value for state in states]), np.array([state.status == "ok" for state in states])


def alarms(thresholds: Thresholds, pccs: Array, logits: Array, times_s: Array) -> int:
    """Return how many events the car would raise."""
    value, warmed_up = values(thresholds, pccs, logits, times_s)
    alarm, events = Alarm(), set()
    for number, t_s in enumerate(times_s):
        state = EvidenceState("ok" if warmed_up[number] else "warmup", float(value[number]))
        events.add(alarm.update(state, float(t_s)).event_id)
    return len(events - {0})


def test_the_papers_threshold_is_half_a_deviation_below_the_mean(rng: np.random.Generator) -> None:
    pccs = rng.normal(0.8, 0.03, 5000)
    thresholds = paper_thresholds(pccs, REFERENCE)
    assert thresholds.pcc == (pytest.approx(pccs.mean() - 0.5 * pccs.std()), pytest.approx(pccs.mean()), 1.0)
    assert (thresholds.averaging_s, thresholds.excess) == (0, (math.inf, math.inf))
    assert thresholds.reference is REFERENCE
    assert paper_thresholds(pccs, REFERENCE, kappa=2.0).pcc[0] == pytest.approx(pccs.mean() - 2 * pccs.std())


def test_the_papers_rule_flags_three_clean_frames_in_ten(rng: np.random.Generator) -> None:
    fresh = rng.normal(0.8, 0.03, 3000)
    logits = rng.normal(-6, 3, (3000, GRID_SIDE, GRID_SIDE))  # no cell has a threshold
    thresholds = paper_thresholds(rng.normal(0.8, 0.03, 5000), REFERENCE)
    value, warmed_up = values(thresholds, fresh, logits, np.arange(3000) / HZ)
    assert warmed_up.all()
    assert (value >= 1).mean() == pytest.approx(0.3085, abs=0.03)  # of a Gaussian
    assert np.isfinite(value).all()


def test_the_median_rule_ignores_single_frames_and_flags_a_lasting_fall(rng: np.random.Generator) -> None:
    pccs, times_s = rng.normal(0.8, 0.03, 1200), np.arange(1200) / HZ
    thresholds = median_thresholds(pccs, times_s, REFERENCE)
    assert thresholds.pcc == (pytest.approx(0.75, abs=0.005), pytest.approx(0.8, abs=0.005), 1.0)
    assert (thresholds.median_s, thresholds.excess) == (5.0, (math.inf, math.inf))
    fresh = rng.normal(0.8, 0.03, 600)
    fresh[100:500:7] = 0.2  # single frames, as when the car passes something
    fresh[500:560] -= 0.1
    logits = np.zeros((600, GRID_SIDE, GRID_SIDE))
    value, _ = values(thresholds, fresh, logits, np.arange(600) / HZ)
    flagged = np.flatnonzero(value >= 1)
    assert 515 < flagged[0] < 530, "half a window after the fall"
    assert 580 < flagged[-1] < 595


def test_the_papers_threshold_stays_in_the_range_of_a_pcc() -> None:
    assert paper_thresholds(np.tile([1.0, -1.0], 200), REFERENCE, kappa=3.0).pcc == (-1.0, 0.0, 1.0)


@pytest.mark.parametrize(("rule", "rates"), [(clean, (1e-3, 1.0)), (by_pcc, (1e-3, 1.0, 1e4))])
def test_no_threshold_is_exceeded_on_the_drive_itself(
    rule: Rule, rates: tuple[float, ...], rng: np.random.Generator
) -> None:
    for _ in range(3):
        recording = drive(rng, 60)
        for rate in rates:
            thresholds = rule(recording, rate)
            fast, slow = thresholds.excess
            above = replace(thresholds, excess=(1.001 * fast, 1.001 * slow))  # kept as float32
            low, median, high = thresholds.pcc
            above = replace(above, pcc=(max(low - 1e-4, -1.0), median, min(high + 1e-4, 1.0)))
            # The last, incomplete block of two seconds is not part of the calibration.
            assert alarms(above, *(part[: -round(BLOCK_S * HZ)] for part in recording)) == 0


def test_the_clean_threshold_is_never_below_the_worst_excess_nor_the_minimum(rng: np.random.Generator) -> None:
    pccs, logits, times_s = drive(rng, 60)
    thresholds = clean((pccs, logits, times_s))
    (segment,) = filtered_segments(logits.reshape(-1, 400), times_s, cell_filters(AVERAGING_S))
    baseline = thresholds.baseline.reshape(2, 400)
    exceeded = np.quantile(segment.values, 0.99, axis=0).reshape(2, GRID_SIDE, GRID_SIDE)
    for row, column in ((10, 10), (0, 0), (19, 7)):
        near = exceeded[:, max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        assert thresholds.baseline[:, row, column] == pytest.approx(np.maximum(near.max((1, 2)), BASELINE_MIN))
    for column, threshold in enumerate(thresholds.excess):
        worst = block_maxima([Segment(mean_of_worst(segment.values - baseline), segment.times_s)], column)
        assert threshold >= worst.max() - 1e-6
    assert thresholds.excess[1] < thresholds.excess[0], "the slow filter is calmer"
    assert clean((pccs, np.full_like(logits, -9.0), times_s)).excess == (EXCESS_MIN, EXCESS_MIN)
    assert (thresholds.averaging_s, thresholds.reference is REFERENCE) == (AVERAGING_S, True)


def test_fewer_false_alarms_give_higher_thresholds(rng: np.random.Generator) -> None:
    recording = drive(rng, 120)
    rates = (1000, 100, 10, 1, 0.1, 0.01)
    for by_rate in zip(*(clean(recording, rate).excess for rate in rates), strict=True):
        assert list(by_rate) == sorted(by_rate)
        assert by_rate[-1] >= by_rate[0] > 0  # equal where one block towers above the others
    lows, medians, highs = zip(*(by_pcc(recording, rate).pcc for rate in rates), strict=True)
    assert list(lows) == sorted(lows, reverse=True)
    assert list(highs) == sorted(highs)
    assert len(set(medians)) == 1
    assert lows[-1] < lows[0] < medians[0] < highs[0] < highs[-1]


def test_under_the_clean_rule_no_pcc_raises_an_alarm(rng: np.random.Generator) -> None:
    pccs, logits, times_s = drive(rng, 60)
    thresholds = clean((pccs, logits, times_s))
    assert (thresholds.pcc[0], thresholds.pcc[2]) == (-1.0, 1.0)
    expected, _ = values(thresholds, pccs, logits, times_s)
    for extreme in (-1.0, 0.5, 1.0):
        value, _ = values(thresholds, extreme - np.sign(extreme) * 1e-9 * np.arange(len(pccs)), logits, times_s)
        assert value == pytest.approx(expected)


def test_the_pcc_rule_is_two_sided_and_ignores_the_cells(rng: np.random.Generator) -> None:
    pccs, logits, times_s = drive(rng, 60)
    thresholds = by_pcc((pccs, logits, times_s))
    assert (thresholds.excess, thresholds.averaging_s) == ((math.inf, math.inf), PCC_AVERAGING_S)
    jitter = 1e-6 * np.arange(len(pccs))
    for sign in (-1, 1):  # dirt adds edges, water takes them away
        shifted = np.tanh(np.arctanh(pccs) + sign * 1.5) - jitter
        assert values(thresholds, shifted, logits, times_s)[0].max() > 1
    assert values(thresholds, pccs, logits + 50, times_s)[0].max() <= 1 + 1e-6


def test_odds_that_rise_in_eight_cells_raise_an_alarm_and_in_one_they_do_not(rng: np.random.Generator) -> None:
    pccs, logits, times_s = drive(rng, 60)
    logits = -6 + (logits + 3) / 10  # so calm that the threshold is the minimum
    thresholds = clean((pccs, logits, times_s))
    assert thresholds.excess == (EXCESS_MIN, EXCESS_MIN)
    for count, alarm in ((1, False), (8, True)):
        raised = logits.copy()
        raised[300:, 0, :count] += 9
        assert bool(values(thresholds, pccs, raised, times_s)[0].max() >= 1) is alarm
    assert values(thresholds, pccs, logits - 20, times_s)[0].max() < 0, "odds below the baseline are no fault"


@pytest.mark.parametrize("rule", [clean, by_pcc])
@pytest.mark.parametrize("rate", [6.0, 60.0])
def test_fresh_drives_raise_about_as_many_false_alarms_as_requested(rate: float, rule: Rule) -> None:
    """Try ten calibrations of three minutes on six fresh minutes each, an hour in all.

    The rule is a model on little data, so the interval is wide: from a tenth of the rate to four times the rate.
    """
    rng = np.random.default_rng(5)
    raised = sum(alarms(rule(drive(rng, 180), rate), *drive(rng, 360)) for _ in range(10))
    assert raised < 4 * rate
    assert rate < 10 or raised > 0.1 * rate


def test_other_cars_stand_in_for_blocks_that_a_short_drive_does_not_have(rng: np.random.Generator) -> None:
    wild = rng.gumbel(1.0, 1.5, (2, 400))
    calm = rng.gumbel(-1.0, 0.3, (2, 400))
    of_prior, (wild_few, _), (calm_few, _), (wild_many, _), (calm_many, _) = (
        PRIORS[0].mean,
        excess_thresholds(wild[:, :20], 1.0),
        excess_thresholds(calm[:, :20], 1.0),
        excess_thresholds(wild, 1.0),
        excess_thresholds(calm, 1.0),
    )
    assert of_prior < calm_many < calm_few < wild_few < wild_many
    assert wild_many == pytest.approx(return_level(wild[0], block_probability(1.0) / 2), rel=0.2)


def test_blocks_are_whole_and_never_span_a_gap() -> None:
    times_s = np.concatenate([np.arange(0, 30, 0.1), np.arange(50, 70, 0.1)])
    series = np.concatenate([np.zeros((300, 1)), np.ones((200, 1))])
    segments = filtered_segments(series, times_s, ExponentialAverage((1.0,)))
    assert [float(np.ptp(each.values)) for each in segments] == [0.0, 0.0]
    maxima = block_maxima(segments)
    # The first second of each segment is the warm-up; frames after the last whole block are left out.
    assert maxima.tolist() == [0.0] * 14 + [1.0] * 9


def test_only_sustained_scores_count() -> None:
    times_s = np.arange(0, 40, 0.05)
    scores = np.zeros((800, 1))
    scores[100:103] = 9.0  # not long enough
    scores[200 : 200 + round(RAISE_AFTER_S / 0.05) + 1] = 5.0
    assert block_maxima([Segment(scores, times_s)]).max() == 5.0


def test_thresholds_for_another_rate_need_no_new_drive(rng: np.random.Generator) -> None:
    recording = drive(rng, 60)
    _, maxima = clean_thresholds(*recording, REFERENCE, 1.0)
    assert maxima.shape[0] == 2
    assert excess_thresholds(maxima, 30.0) == clean(recording, 30.0).excess != clean(recording, 1.0).excess


@pytest.mark.parametrize("rule", [clean, by_pcc])
@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_an_invalid_rate_is_refused(rng: np.random.Generator, rate: float, rule: Rule) -> None:
    with pytest.raises(InputError, match="give 1e-06 or more"):
        rule(drive(rng, 60), rate)


def refused(recording: tuple[Array, Array, Array]) -> str:
    lines = []
    for rule in (clean, by_pcc):
        with pytest.raises(InputError) as caught:
            rule(recording)
        lines.append(str(caught.value))
    # Both give the same reason, though they need different numbers of blocks.
    assert len({re.sub(r"\d+( blocks|;)", "few", line) for line in lines}) == 1
    assert "\n" not in lines[0]
    return lines[0]


def test_a_drive_with_too_few_frames_is_refused_by_all_rules(rng: np.random.Generator) -> None:
    pccs, logits, times_s = drive(rng, 19.9)
    assert refused((pccs, logits, times_s * 3)).startswith("199 frames")
    with pytest.raises(InputError, match="199 frames"):
        paper_thresholds(pccs, REFERENCE)
    assert paper_thresholds(drive(rng, 20.0)[0], REFERENCE).pcc[0] > -1


def test_a_drive_that_is_too_short_or_has_too_few_frames_a_second_is_refused(rng: np.random.Generator) -> None:
    pccs, logits, times_s = drive(rng, 60)
    assert "blocks" in refused((pccs, logits, times_s / 10))
    assert "blocks" in refused((pccs, logits, times_s * 30))  # three seconds between frames: each is a gap


def test_a_camera_that_froze_is_refused(rng: np.random.Generator) -> None:
    pccs, logits, times_s = drive(rng, 60)
    stuck = pccs.copy()
    stuck[200:400] = stuck[200]
    assert "froze" in refused((stuck, logits, times_s))
    repeated = pccs[np.arange(600) // 4 * 4]  # every frame four times
    assert "froze" in refused((repeated, logits, times_s))


def test_a_car_that_stood_still_is_refused(rng: np.random.Generator) -> None:
    pccs, logits, times_s = drive(rng, 60)
    assert "stood still" in refused((0.9 + 1e-6 * pccs, logits, times_s))


def test_the_averages_are_those_of_the_car(rng: np.random.Generator) -> None:
    """The calibration and the car average with the same code: what is calibrated is what is judged."""
    recording = pccs, _, times_s = drive(rng, 40)
    highest = block_maxima(
        filtered_segments(np.arctanh(pccs)[:, None], times_s, ExponentialAverage((PCC_AVERAGING_S,)))
    ).max()
    assert math.tanh(highest) <= by_pcc(recording).pcc[2]
