"""The weight of each frame in the exponential averages, at synthetic times."""

import math

import numpy as np
import pytest

from mle_uvad.edge.driving import GAP_S
from mle_uvad.edge.ema import EmaWeights, RunningMeans
from mle_uvad.edge.graph import RUNNING_MEANS_SIZE, TIME_CONSTANTS_S


def weights_of(means: RunningMeans, count: int, start_s: float = 0.0, hz: float = 20.0) -> np.ndarray:
    """The weights [count, 2] of frames that come at a rate of `hz`."""
    return np.array([means.weights(start_s + number / hz) for number in range(count)])


@pytest.fixture
def driving() -> RunningMeans:
    """Ten seconds into a drive."""
    means = RunningMeans()
    weights_of(means, 201)
    assert means.warmed_up
    return means


def test_at_first_all_frames_count_alike() -> None:
    weights = weights_of(RunningMeans(), 8)
    assert RunningMeans().weights(0.0).dtype == np.float32
    assert weights[:, 1] == pytest.approx([1 / number for number in range(1, 9)])
    assert weights[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("hz", [5.0, 10.0, 20.0, 60.0])
def test_later_a_frame_weighs_its_step_over_the_time_constant(hz: float) -> None:
    last = weights_of(RunningMeans(), round(10 * hz), hz=hz)[-1]
    assert last == pytest.approx([1 - math.exp(-1 / hz / tau_s) for tau_s in TIME_CONSTANTS_S], rel=1e-4)


@pytest.mark.parametrize("hz", [3.0, 20.0, 60.0])
def test_a_value_fades_with_the_time_constant_at_any_frame_rate(hz: float) -> None:
    weights, mean = EmaWeights(TIME_CONSTANTS_S), np.zeros(2)
    for number in range(round(20 * hz)):
        mean += np.array(weights.update(number / hz)) * (1.0 - mean)
    for number in range(round(2 * hz)):
        mean += np.array(weights.update(20.0 + number / hz)) * (0.0 - mean)
    assert mean == pytest.approx([math.exp(-2 / tau_s) for tau_s in TIME_CONSTANTS_S], rel=1e-3)


@pytest.mark.parametrize("step_s", [GAP_S + 0.01, 60.0, -0.01, -1e6])
def test_a_gap_and_a_step_back_restart(driving: RunningMeans, step_s: float) -> None:
    driving.means = np.ones_like(driving.means)
    assert driving.weights(10.0 + step_s).tolist() == [1.0, 1.0]
    assert not driving.means.any()
    assert not driving.warmed_up
    assert driving.weights(10.0 + step_s + 0.05)[1] == 0.5


@pytest.mark.parametrize("step_s", [0.0, 0.3, GAP_S])
def test_a_shorter_pause_does_not(driving: RunningMeans, step_s: float) -> None:
    driving.means = np.ones_like(driving.means)
    assert (driving.weights(10.0 + step_s) < 1).all()
    assert driving.means.all()
    if step_s < 1:
        assert driving.warmed_up


def test_after_a_long_pause_the_means_are_warmed_up_once_no_frame_dominates_them(driving: RunningMeans) -> None:
    driving.weights(11.9)  # of 1.9 s: this frame alone makes up three fifths of the slow mean
    assert not driving.warmed_up
    later: list[bool] = []
    for number in range(1, 60):
        driving.weights(11.9 + number / 20)
        later.append(driving.warmed_up)
    assert later == sorted(later), "once and for all"
    assert sum(later) > 10


@pytest.mark.parametrize(("seconds", "warms_up"), [((0.05, 0.05), True), ((0.06, 0.9), False), ((0.5, 0.5), False)])
def test_a_loop_that_starves_never_warms_up(seconds: tuple[float, float], warms_up: bool) -> None:
    rng, means, t_s = np.random.default_rng(0), RunningMeans(), 0.0
    warmed_up = []
    for _ in range(280):
        t_s += float(rng.uniform(*seconds))
        means.weights(t_s)
        warmed_up.append(means.warmed_up)
    assert any(warmed_up) == warms_up


def test_it_is_warmed_up_after_one_and_a_half_slow_time_constants() -> None:
    means, warmed_up = RunningMeans(), []
    assert not means.warmed_up
    assert means.means.shape == (2, RUNNING_MEANS_SIZE)
    for number in range(60):
        means.weights(100 + number / 16)
        warmed_up.append(means.warmed_up)
    assert warmed_up == [False] * 48 + [True] * 12  # from 3.0 s on
    means.restart()
    assert not means.warmed_up
    assert means.weights(104.0).tolist() == [1.0, 1.0]


def test_many_frames_of_one_moment_never_warm_up_and_weigh_within_bounds() -> None:
    means = RunningMeans()
    for _ in range(500):
        weights = means.weights(7.0)
        assert (weights > 0).all()
        assert (weights <= 1).all()
    assert not means.warmed_up


def test_a_drive_may_begin_at_any_time() -> None:
    for start_s in (0.0, -50.0, 1.7e9):
        assert weights_of(RunningMeans(), 3, start_s)[:, 1] == pytest.approx([1, 1 / 2, 1 / 3])
