"""The moving median is the median of the last seconds."""

import numpy as np

from mle_uvad.edge.moving_median import MovingMedian


def test_it_is_the_median_of_the_window(rng: np.random.Generator) -> None:
    values, times_s = rng.integers(0, 9, 200).astype(float), np.cumsum(rng.uniform(0.02, 0.3, 200))
    moving = MovingMedian(2.0)
    for number, (value, t_s) in enumerate(zip(values.tolist(), times_s.tolist(), strict=True), start=1):
        window = values[:number][times_s[:number] >= t_s - 2.0]
        assert moving.update(value, t_s) == np.median(window)


def test_it_starts_afresh_after_a_gap_and_a_step_back() -> None:
    moving = MovingMedian(100.0)
    assert [moving.update(1.0, t_s) for t_s in (0.0, 0.1, 0.2)] == [1.0, 1.0, 1.0]
    assert moving.update(7.0, 50.0) == 7.0
    assert moving.update(9.0, 0.0) == 9.0
