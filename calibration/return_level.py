"""The return level: a value that the maxima of further blocks exceed with a given small probability."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Shape of the extreme value distribution: bounded, since log odds do not grow without end. 0 is an exponential tail,
# 0.3 that of the largest of a dozen normal numbers. Fitting it too, to so few blocks, breaks the stated rate tenfold,
# and a wall that is passed once a lap splits the blocks into two groups, which a fit takes for an endless tail.
TAIL_SHAPE = 0.2
DRAWS = 500_000  # block maxima simulated to find how far above the mean the level lies

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """What the block maxima of other cars say about those of a further one."""

    mean: float  # of their first L-moment
    scale: float  # of their second L-moment
    blocks: int  # of the car itself, that this is worth as much as


def return_level(maxima: Array, probability: float, prior: Prior | None = None) -> float:
    """Return the value that the maximum of a further block exceeds with this probability, from the maxima [K].

    The maxima are taken as draws from a generalised extreme value distribution whose location and scale come from the
    first two L-moments (Hosking 1990). The error of estimating both from few blocks is included: the probability holds
    on average over many calibrations. The result is never below the largest maximum.

    With a prior, both L-moments are shrunk towards it, as if it were so many further blocks (empirical Bayes). The
    probability then holds on average over cars like those of the prior.

    Example:
        >>> maxima = np.array([1.0, 1.2, 0.9, 1.1, 1.4, 1.0, 1.3, 0.8, 1.1, 1.2])
        >>> return_level(maxima, probability=0.5)
        1.4
        >>> return_level(maxima, probability=0.001) > 1.6
        True
        >>> calmer = Prior(mean=0.9, scale=0.05, blocks=100)
        >>> return_level(maxima, probability=0.001, prior=calmer) < return_level(maxima, probability=0.001)
        True
    """
    ordered = np.sort(maxima)
    mean, scale = (float(moment) for moment in _l_moments(ordered))
    blocks = len(maxima)
    if prior is not None:
        blocks += prior.blocks
        mean += prior.blocks / blocks * (prior.mean - mean)
        scale += prior.blocks / blocks * (prior.scale - scale)
    return max(mean + scale * _return_level_factor(blocks, probability), float(ordered[-1]))


def _l_moments(ordered: Array) -> tuple[Array, Array]:
    """Return mean and second L-moment, half of the mean difference of two draws, of sorted values [..., K]."""
    count, mean = ordered.shape[-1], ordered.mean(-1)
    return mean, 2 * (np.arange(count) * ordered).mean(-1) / (count - 1) - mean


@lru_cache
def _return_level_factor(count: int, probability: float) -> float:
    """Return how many second L-moments above the mean of `count` maxima the level lies, by simulating such samples."""
    draws = np.random.default_rng(0).exponential(size=(max(DRAWS // count, 10), count))
    samples = np.sort((1 - draws**TAIL_SHAPE) / TAIL_SHAPE, axis=1)
    mean, scale = _l_moments(samples)
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        levels = np.maximum(mean + middle * scale, samples[:, -1])
        exceeded = -np.expm1(-(np.maximum(1 - TAIL_SHAPE * levels, 0) ** (1 / TAIL_SHAPE)))
        low, high = (middle, high) if exceeded.mean() > probability else (low, middle)
    return high
