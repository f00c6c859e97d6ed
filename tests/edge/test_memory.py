"""How much each frame weighs in what is remembered, from made-up times."""

import math

import numpy as np
import pytest

from mle_uvad.edge.memory import GAP_S, SPANS_S, SPREAD_MIN, MemoryClock, enlarge, make_reference


def feed(clock: MemoryClock, count: int, start_s: float = 0.0, hz: float = 20.0) -> list[np.ndarray]:
    return [clock.shares(start_s + i / hz) for i in range(count)]


@pytest.fixture
def driven() -> MemoryClock:
    """Ten seconds into a drive."""
    clock = MemoryClock()
    feed(clock, 201)
    assert clock.settled
    return clock


def test_at_first_all_frames_count_alike() -> None:
    shares = feed(MemoryClock(), 8)
    assert all(share.dtype == np.float32 and share.shape == (2,) for share in shares)
    assert np.array(shares)[:, 1] == pytest.approx([1 / number for number in range(1, 9)])
    assert shares[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("hz", [5.0, 10.0, 20.0, 60.0])
def test_later_a_frame_weighs_what_its_step_is_of_the_span(hz: float) -> None:
    shares = feed(MemoryClock(), round(10 * hz), hz=hz)[-1]
    assert shares == pytest.approx([1 - math.exp(-1 / hz / span_s) for span_s in SPANS_S], rel=1e-4)


@pytest.mark.parametrize("hz", [3.0, 20.0, 60.0])
def test_what_is_remembered_fades_over_the_span_at_any_frame_rate(hz: float) -> None:
    clock, memory = MemoryClock(), np.zeros(2)
    for number in range(round(20 * hz)):
        memory += clock.shares(number / hz) * (1.0 - memory)
    start_s = 20.0
    for number in range(round(2 * hz)):
        memory += clock.shares(start_s + number / hz) * (0.0 - memory)
    assert memory == pytest.approx([math.exp(-2 / span_s) for span_s in SPANS_S], rel=1e-3)


@pytest.mark.parametrize("step_s", [GAP_S + 0.01, 60.0, -0.01, -1e6])
def test_a_gap_and_a_step_back_begin_again(driven: MemoryClock, step_s: float) -> None:
    assert driven.shares(10.0 + step_s).tolist() == [1.0, 1.0]
    assert driven.frames == 1
    assert not driven.settled
    assert driven.shares(10.0 + step_s + 0.05)[1] == 0.5


@pytest.mark.parametrize("step_s", [0.0, 0.3, GAP_S])
def test_a_shorter_pause_does_not(driven: MemoryClock, step_s: float) -> None:
    assert (driven.shares(10.0 + step_s) < 1).all()
    assert driven.settled


def test_it_is_settled_once_the_long_span_has_passed() -> None:
    clock, settled = MemoryClock(), []
    assert not clock.settled
    for number in range(60):
        clock.shares(100 + number / 16)
        settled.append(clock.settled)
    assert settled == [False] * 32 + [True] * 28  # from 2.0 s on
    clock.restart()
    assert not clock.settled
    assert clock.shares(104.0).tolist() == [1.0, 1.0]


def test_many_frames_of_one_moment_never_settle_and_weigh_within_bounds() -> None:
    clock = MemoryClock()
    for _ in range(500):
        shares = clock.shares(7.0)
        assert (shares > 0).all()
        assert (shares <= 1).all()
    assert not clock.settled


def test_a_drive_may_begin_at_any_time() -> None:
    for start_s in (0.0, -50.0, 1.7e9):
        shares = feed(MemoryClock(), 3, start_s)
        assert np.array(shares)[:, 1] == pytest.approx([1, 1 / 2, 1 / 3])


def test_a_reference_is_the_middle_and_its_usual_spread(rng: np.random.Generator) -> None:
    pictures = rng.normal(0.5, 0.1, (2000, 20, 10, 10)).astype(np.float32)
    pictures[:, 3] = 0.25  # a place that never changes
    pictures[:200, 5] = 9.0  # a tenth of the drive is wet
    centre, spread = make_reference(pictures)
    assert centre.dtype == spread.dtype == np.float32
    assert np.abs(centre[:3] - 0.5).max() < 0.02
    assert np.abs(spread[:3] - 0.1).max() < 0.02
    assert (centre[3] == 0.25).all()
    assert (spread[3] == np.float32(SPREAD_MIN)).all()
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
