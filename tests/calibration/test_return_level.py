"""The return level: exceeded as often as stated, on average over calibrations, and never below the data."""

import math

import numpy as np
import pytest

from mle_uvad.calibration.blocks import BLOCKS_MIN_ALONE
from mle_uvad.calibration.return_level import TAIL_SHAPE, return_level


@pytest.mark.parametrize("count", [BLOCKS_MIN_ALONE, 30, 60])
def test_the_return_level_is_exceeded_as_often_as_stated_on_average(rng: np.random.Generator, count: int) -> None:
    """Average over two thousand calibrations on blocks with the distribution that is assumed."""
    shape, probability = TAIL_SHAPE, 1 / 3600
    draws = 3.0 + 0.5 * (1 - rng.exponential(size=(2000, count)) ** shape) / shape
    thresholds = (np.array([return_level(maxima, probability) for maxima in draws]) - 3.0) / 0.5
    beyond = -np.expm1(-(np.maximum(1 - shape * thresholds, 0) ** (1 / shape)))
    margin = 3 * beyond.std() / math.sqrt(len(beyond))
    assert abs(beyond.mean() - probability) < margin + 0.1 * probability
    assert np.median(beyond) < probability, "most calibrations are calmer, a few are not"


def test_the_return_level_is_never_below_the_largest_maximum(rng: np.random.Generator) -> None:
    maxima = rng.gumbel(2.0, 0.5, 2000)
    assert return_level(maxima, 0.5) == maxima.max()
    assert return_level(np.full(20, 3.0), 1e-6) == pytest.approx(3.0)
