"""The metrics, against values worked out by hand."""

import math

import numpy as np
import pytest

from mle_uvad.evaluation.protocols.metrics import (
    auc,
    averaged,
    bootstrap,
    cell_auc,
    cell_iou,
    pairwise_win_rates,
    poisson_upper_bound,
    sign_free,
    weighted_mean,
)


def test_auc_counts_pairs_and_ties() -> None:
    assert auc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert auc(np.array([0.0]), np.array([1.0])) == 0
    assert auc(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == pytest.approx(3.5 / 4)
    assert math.isnan(auc(np.array([]), np.array([1.0])))
    assert math.isnan(auc(np.array([1.0]), np.array([])))


def test_the_weighted_mean_of_the_episodes_is_the_auc_of_all_their_frames(rng: np.random.Generator) -> None:
    negatives = rng.normal(size=50)
    episodes = [rng.normal(1, 1, size) for size in (3, 20, 7)]
    rows = np.array([[pairwise_win_rates(episode, negatives).mean(), len(episode)] for episode in episodes])
    assert weighted_mean(rows) == pytest.approx(auc(np.concatenate(episodes), negatives))
    assert math.isnan(weighted_mean(rows[:0]))


def test_sign_free_auc_takes_the_better_sign() -> None:
    assert sign_free(0.1) == pytest.approx(0.9)
    assert sign_free(0.7) == 0.7


def test_a_map_that_is_the_mask_is_right_everywhere_and_its_opposite_nowhere() -> None:
    mask = np.zeros((20, 20), np.float32)
    mask[4:8, 6:14] = 1
    for side in (10, 20):  # a coarser map of the same fault
        right = mask[:: 20 // side, :: 20 // side]
        assert cell_auc(right, mask) == 1
        assert cell_auc(1 - right, mask) == 0
        assert cell_iou(right, mask) == 1
        assert cell_iou(1 - right, mask) == 0
    assert cell_auc(np.full((10, 10), 0.3, np.float32), mask) == 0.5
    assert cell_iou(np.ones((10, 10), np.float32), mask) == pytest.approx(32 / 400)


def test_a_partly_obscured_cell_counts_in_part() -> None:
    mask = np.zeros((20, 20), np.float32)
    mask[0, 0] = 1  # a quarter of the first of 10×10 cells
    evidence = np.zeros((10, 10), np.float32)
    evidence[0, 0] = 1
    # Its clear three quarters tie with the obscured quarter: half of their pairs are won.
    assert cell_auc(evidence, mask) == pytest.approx((99 + 0.5 * 0.75) / 99.75)
    assert math.isnan(cell_iou(evidence, mask))  # nowhere half obscured
    assert math.isnan(cell_auc(evidence, np.ones((20, 20), np.float32)))


def test_averages_equal_the_cars_and_skip_undefined_scores() -> None:
    times_s = np.arange(100) / 20
    scores = np.ones(100)
    scores[10] = np.nan
    result = averaged(scores, times_s, 1.0)
    assert math.isnan(result[10])
    assert np.delete(result, 10) == pytest.approx(1.0)
    step = averaged((times_s >= 2.5).astype(float), times_s, 1.0)
    assert step[50 + 20] == pytest.approx(1 - math.exp(-1.05), abs=0.02)
    both = averaged(np.stack([scores, 2 * scores], axis=1), times_s, 1.0)
    assert both[-1].tolist() == pytest.approx([1, 2])


def test_the_bootstrap_draws_episodes_and_drives(rng: np.random.Generator) -> None:
    episodes = rng.random((400, 1))
    found = bootstrap([episodes], lambda rows: float(rows.mean()))
    assert found.value == pytest.approx(episodes.mean())
    # The standard error of the mean of 400 uniform numbers is 1 / sqrt(12 * 400); the 95 % interval is 3.92 times that.
    assert found.high - found.low == pytest.approx(3.92 / math.sqrt(4800), rel=0.15)
    # Two drives that differ: resampling episodes alone would give an interval of width 0.
    two = bootstrap([np.zeros((50, 1)), np.ones((50, 1))], lambda rows: float(rows.mean()))
    assert (two.low, two.value, two.high) == (0, 0.5, 1)
    assert math.isnan(bootstrap([], lambda rows: 1.0).value)
    assert bootstrap([episodes], lambda rows: float(rows.mean())) == found  # the same every time


def test_no_false_alarm_in_three_hours_bounds_the_rate_at_one() -> None:
    assert poisson_upper_bound(0, 3.0) == pytest.approx(-math.log(0.05) / 3, rel=1e-6)
    assert poisson_upper_bound(1, 1.0) == pytest.approx(4.744, abs=1e-3)  # of a Poisson table
    assert poisson_upper_bound(10, 2.0) == pytest.approx(16.962 / 2, abs=1e-3)
    assert math.isinf(poisson_upper_bound(0, 0.0))


@pytest.mark.parametrize(
    ("events", "hours", "expected"),
    [
        (0, 3.0, 0.9985774245179969),
        (1, 1.0, 4.743864518390578),
        (10, 2.0, 8.48110961786095),
        (3, 0.477, 16.255045131934438),
        (250, 24.0, 11.567308025445618),
    ],
)
def test_the_bound_equals_a_bisection_of_the_poisson_distribution(events: int, hours: float, expected: float) -> None:
    assert poisson_upper_bound(events, hours) == pytest.approx(expected, abs=1e-9)
