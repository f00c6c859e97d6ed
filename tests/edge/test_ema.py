"""How much each frame weighs in what is remembered, from made-up times."""

import math

import numpy as np
import pytest

from mle_uvad.edge.driving import GAP_S
from mle_uvad.edge.ema import EmaWeights
from mle_uvad.edge.graph import TIME_CONSTANTS_S
from mle_uvad.edge.reference import SCALE_MIN
from mle_uvad.edge.reference import enlarge, make_reference


def feed(clock: EmaWeights, count: int, start_s: float = 0.0, hz: float = 20.0) -> list[np.ndarray]:
    return [clock.ema_weights(start_s + i / hz) for i in range(count)]


@pytest.fixture
def driving_time() -> EmaWeights:
    """Ten seconds into a drive."""
    clock = EmaWeights()
    feed(clock, 201)
    assert clock.warmed_up
    return clock


def test_at_first_all_frames_count_alike() -> None:
    ema_weights = feed(EmaWeights(), 8)
    assert all(share.dtype == np.float32 and share.shape == (2,) for share in ema_weights)
    assert np.array(ema_weights)[:, 1] == pytest.approx([1 / number for number in range(1, 9)])
    assert ema_weights[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("hz", [5.0, 10.0, 20.0, 60.0])
def test_later_a_frame_weighs_what_its_step_is_of_the_span(hz: float) -> None:
    ema_weights = feed(EmaWeights(), round(10 * hz), hz=hz)[-1]
    assert ema_weights == pytest.approx(
        [1 - math.exp(-1 / hz / time_constant_s) for time_constant_s in TIME_CONSTANTS_S], rel=1e-4
    )


@pytest.mark.parametrize("hz", [3.0, 20.0, 60.0])
def test_what_is_remembered_fades_over_the_span_at_any_frame_rate(hz: float) -> None:
    clock, running_means = EmaWeights(), np.zeros(2)
    for number in range(round(20 * hz)):
        running_means += clock.ema_weights(number / hz) * (1.0 - running_means)
    start_s = 20.0
    for number in range(round(2 * hz)):
        running_means += clock.ema_weights(start_s + number / hz) * (0.0 - running_means)
    assert running_means == pytest.approx(
        [math.exp(-2 / time_constant_s) for time_constant_s in TIME_CONSTANTS_S], rel=1e-3
    )


@pytest.mark.parametrize("step_s", [GAP_S + 0.01, 60.0, -0.01, -1e6])
def test_a_gap_and_a_step_back_begin_again(driving_time: EmaWeights, step_s: float) -> None:
    assert driving_time.ema_weights(10.0 + step_s).tolist() == [1.0, 1.0]
    assert driving_time.frames == 1
    assert not driving_time.warmed_up
    assert driving_time.ema_weights(10.0 + step_s + 0.05)[1] == 0.5


@pytest.mark.parametrize("step_s", [0.0, 0.3, GAP_S])
def test_a_shorter_pause_does_not(driving_time: EmaWeights, step_s: float) -> None:
    assert (driving_time.ema_weights(10.0 + step_s) < 1).all()
    assert driving_time.warmed_up


def test_it_is_settled_once_the_long_span_has_passed() -> None:
    clock, warmed_up = EmaWeights(), []
    assert not clock.warmed_up
    for number in range(60):
        clock.ema_weights(100 + number / 16)
        warmed_up.append(clock.warmed_up)
    assert warmed_up == [False] * 32 + [True] * 28  # from 2.0 s on
    clock.restart()
    assert not clock.warmed_up
    assert clock.ema_weights(104.0).tolist() == [1.0, 1.0]


def test_many_frames_of_one_moment_never_settle_and_weigh_within_bounds() -> None:
    clock = EmaWeights()
    for _ in range(500):
        ema_weights = clock.ema_weights(7.0)
        assert (ema_weights > 0).all()
        assert (ema_weights <= 1).all()
    assert not clock.warmed_up


def test_a_drive_may_begin_at_any_time() -> None:
    for start_s in (0.0, -50.0, 1.7e9):
        ema_weights = feed(EmaWeights(), 3, start_s)
        assert np.array(ema_weights)[:, 1] == pytest.approx([1, 1 / 2, 1 / 3])


def test_a_reference_is_the_middle_and_its_usual_spread(rng: np.random.Generator) -> None:
    feature_maps = rng.normal(0.5, 0.1, (2000, 20, 10, 10)).astype(np.float32)
    feature_maps[:, 3] = 0.25  # a place that never changes
    feature_maps[:200, 5] = 9.0  # a tenth of the drive is wet
    centre, spread = make_reference(feature_maps)
    assert centre.dtype == spread.dtype == np.float32
    assert np.abs(centre[:3] - 0.5).max() < 0.02
    assert np.abs(spread[:3] - 0.1).max() < 0.02
    assert (centre[3] == 0.25).all()
    assert (spread[3] == np.float32(SCALE_MIN)).all()
    assert np.abs(centre[5] - 0.5).max() < 0.04
    assert spread[5].max() < 0.15


def test_an_enlarged_reference_goes_evenly_from_place_to_place(rng: np.random.Generator) -> None:
    coarse = rng.uniform(0, 1, (2, 20, 10, 10)).astype(np.float32)
    fine = enlarge(coarse)
    assert (fine.shape, fine.dtype, fine.flags.c_contiguous) == ((2, 20, 40, 40), np.float32, True)
    assert fine[..., 0, 0] == pytest.approx(coarse[..., 0, 0])  # beyond the outermost centres nothing changes
    # Four by four fine places share a coarse one; the middle of two centres is their mean.
    middle = (fine[..., 5, 5] + fine[..., 6, 5] + fine[..., 5, 6] + fine[..., 6, 6]) / 4
    assert middle == pytest.approx(coarse[..., 1, 1], abs=0.2)
    assert enlarge(np.full((2, 20, 10, 10), 0.3)) == pytest.approx(0.3)
    ramp = enlarge(np.arange(10.0)[None, :] * np.ones((10, 1)))
    assert np.diff(ramp[20, 2:38]) == pytest.approx(0.25)
