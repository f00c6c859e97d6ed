"""Where a limit lies that the maxima of few blocks say will hardly ever be exceeded."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Shape of the extreme value distribution: bounded, since log odds do not grow without end. 0 is an exponential tail,
# 0.3 that of the largest of a dozen normal numbers, and a negative one is longer than exponential.
TAIL_SHAPE, SHAPE_MIN = 0.2, -0.2
SAMPLED = 500_000  # block maxima drawn to find how far above the mean a limit lies

Array = NDArray[np.float64]


def tail_limit(maxima: Array, probability: float) -> float:
    """The value that the maximum of a further block exceeds with this probability, from the maxima [K] of K blocks.

    They are taken as draws from a generalised extreme value distribution whose location and scale come from the first
    two L-moments (Hosking 1990). That both are estimated from few blocks is counted in: the promise holds on average
    over many calibrations, not only where these happen to come out right. Never below the largest maximum.
    """
    ordered = np.sort(maxima)
    mean, spread, skewness = (float(moment) for moment in _l_moments(ordered))
    # Believed only where the blocks are more skewed than nine in ten samples of the assumed tail: to fit a shape to
    # every drive would break the promise tenfold.
    shape = TAIL_SHAPE if skewness <= _usual_skewness(len(maxima)) else _shape(skewness)
    return max(mean + spread * _reach(len(maxima), probability, shape), float(ordered[-1]))


def _l_moments(ordered: Array) -> tuple[Array, Array, Array]:
    """Mean, second L-moment and L-skewness of sorted values [..., K]."""
    count = ordered.shape[-1]
    rank = np.arange(count)
    mean = ordered.mean(-1)
    first = (rank * ordered).mean(-1) / (count - 1)
    second = (rank * (rank - 1) * ordered).mean(-1) / ((count - 1) * (count - 2))
    spread = np.maximum(2 * first - mean, 1e-12)
    return mean, spread, (6 * second - 6 * first + mean) / spread


def _shape(skewness: float) -> float:
    """The shape of the distribution with this L-skewness, a tenth exact, by Hosking's approximation."""
    ratio = 2 / (3 + skewness) - math.log(2) / math.log(3)
    return max(round(7.859 * ratio + 2.9554 * ratio**2, 1), SHAPE_MIN)


def _samples(count: int, shape: float) -> Array:
    """Sorted samples [S, K] of the distribution with location 0 and scale 1, the same ones every time."""
    draws = np.random.default_rng(0).exponential(size=(max(SAMPLED // count, 10), count))
    return np.sort((1 - draws**shape) / shape if shape else -np.log(draws), axis=1)


@lru_cache
def _usual_skewness(count: int) -> float:
    return float(np.quantile(_l_moments(_samples(count, TAIL_SHAPE))[2], 0.9))


@lru_cache
def _reach(count: int, probability: float, shape: float) -> float:
    """How many second L-moments above the mean of `count` maxima the limit lies."""
    samples = _samples(count, shape)
    mean, spread, _ = _l_moments(samples)
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        limits = np.maximum(mean + middle * spread, samples[:, -1])
        rarity = np.maximum(1 - shape * limits, 0) ** (1 / shape) if shape else np.exp(-limits)
        low, high = (middle, high) if -np.expm1(-rarity).mean() > probability else (low, middle)
    return high
