"""The limit of a tail: exceeded as often as promised, and no more believed of the data than they show."""

import math

import numpy as np
import pytest

from mle_uvad.calibration.rules import BLOCKS_MIN
from mle_uvad.calibration.tail import TAIL_SHAPE, tail_limit


@pytest.mark.parametrize("count", [BLOCKS_MIN, 30, 60])
def test_the_tail_limit_is_exceeded_as_often_as_promised_on_average(rng: np.random.Generator, count: int) -> None:
    """Over two thousand calibrations on blocks that are what the rule takes them for."""
    shape, probability = TAIL_SHAPE, 1 / 3600
    draws = 3.0 + 0.5 * (1 - rng.exponential(size=(2000, count)) ** shape) / shape
    limits = (np.array([tail_limit(maxima, probability) for maxima in draws]) - 3.0) / 0.5
    beyond = -np.expm1(-(np.maximum(1 - shape * limits, 0) ** (1 / shape)))
    margin = 3 * beyond.std() / math.sqrt(len(beyond))
    assert abs(beyond.mean() - probability) < margin + 0.1 * probability
    assert np.median(beyond) < probability, "most calibrations are calmer, a few are not"


def test_the_tail_limit_is_never_below_the_largest(rng: np.random.Generator) -> None:
    maxima = rng.gumbel(2.0, 0.5, 2000)
    assert tail_limit(maxima, 0.5) == maxima.max()
    assert tail_limit(np.full(20, 3.0), 1e-6) == pytest.approx(3.0)


def test_a_tail_that_the_blocks_show_to_be_long_is_believed(rng: np.random.Generator) -> None:
    """Few blocks tower above many calm ones: rare walls on a calm track."""
    calm = rng.gumbel(1.0, 0.05, 60)
    calm[:6] += rng.exponential(2.0, 6)
    mean, spread = calm.mean(), np.sort(calm)
    spread = float((2 * np.arange(60) - 59) @ spread) / (60 * 59)
    assumed = mean + spread * 7.1  # what the assumed shape would say of such a mean and spread
    assert tail_limit(calm, 1 / 3600) > 1.5 * assumed
