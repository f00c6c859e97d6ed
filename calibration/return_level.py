"""Where a limit lies that the maxima of few blocks say will hardly ever be exceeded."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Shape of the extreme value distribution: bounded, since log odds do not grow without end. 0 is an exponential tail,
# 0.3 that of the largest of a dozen normal numbers. To fit it too, to so few blocks, breaks the promise tenfold, and a
# wall that is passed once a lap makes the blocks fall into two groups, which a fit takes for an endless tail.
TAIL_SHAPE = 0.2
SAMPLED = 500_000  # block maxima drawn to find how far above the mean a limit lies

Array = NDArray[np.float64]


def return_level(maxima: Array, probability: float) -> float:
    """The value that the maximum of a further block exceeds with this probability, from the maxima [K] of K blocks.

    They are taken as draws from a generalised extreme value distribution whose location and scale come from the first
    two L-moments (Hosking 1990). That both are estimated from few blocks is counted in: the promise holds on average
    over many calibrations, not only where these happen to come out right. Never below the largest maximum.
    """
    ordered = np.sort(maxima)
    mean, spread = (float(moment) for moment in _l_moments(ordered))
    return max(mean + spread * _return_level_factor(len(maxima), probability), float(ordered[-1]))


def _l_moments(ordered: Array) -> tuple[Array, Array]:
    """Mean and second L-moment, half of the mean difference of two draws, of sorted values [..., K]."""
    count, mean = ordered.shape[-1], ordered.mean(-1)
    return mean, 2 * (np.arange(count) * ordered).mean(-1) / (count - 1) - mean


@lru_cache
def _return_level_factor(count: int, probability: float) -> float:
    """How many second L-moments above the mean of `count` maxima the limit lies, by simulation of such samples."""
    draws = np.random.default_rng(0).exponential(size=(max(SAMPLED // count, 10), count))
    samples = np.sort((1 - draws**TAIL_SHAPE) / TAIL_SHAPE, axis=1)
    mean, spread = _l_moments(samples)
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        thresholds = np.maximum(mean + middle * spread, samples[:, -1])
        beyond = -np.expm1(-(np.maximum(1 - TAIL_SHAPE * thresholds, 0) ** (1 / TAIL_SHAPE)))
        low, high = (middle, high) if beyond.mean() > probability else (low, middle)
    return high
