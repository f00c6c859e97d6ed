"""A clean drive as the car averages it, and what it reaches in blocks of two seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..edge.alarm import RAISE_AFTER_S
from ..edge.ema import ExponentialAverage
from ..edge.errors import InputError

BLOCK_S = 2.0  # the maxima of blocks this long are taken as independent
BLOCKS_MIN = 15  # half a minute

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Segment:
    """Averages over a part of a drive without a gap, from where all of them have settled."""

    values: Array  # [n, A, F] of A averages, or a score made of each, [n, A]
    times_s: Array  # [n]


def averaged(series: Array, times_s: Array, average: ExponentialAverage) -> list[Segment]:
    """The figures [N, F] of a drive averaged over time as on the car."""
    segments: list[Segment] = []
    values: list[Array] = []
    moments: list[float] = []
    for figures, t_s in zip(series, times_s.tolist(), strict=True):
        means = average.update(figures, t_s)
        if all(average.warmed_up):
            values.append(means)
            moments.append(t_s)
        elif values:  # a gap: the averages have begun anew
            segments.append(Segment(np.stack(values), np.array(moments)))
            values, moments = [], []
    return [*segments, Segment(np.stack(values), np.array(moments))] if values else segments


def block_maxima(segments: Sequence[Segment], number: int = 0) -> Array:
    """The maxima [K] of a score over whole blocks of two seconds, each taken of what lasts as long as the alarm waits.

    `number` says which column of the values [n, S].
    """
    maxima: list[float] = []
    for segment in segments:
        kept_up, block = sustained(segment, number), _blocks(segment.times_s)
        maxima += [float(kept_up[block == each].max()) for each in range(block[-1])]
    return np.array(maxima)


def sustained(segment: Segment, number: int = 0) -> Array:
    """What a score [n] has kept up at each frame for as long as the alarm waits."""
    times_s = segment.times_s
    scores = segment.values.reshape(len(times_s), -1)[:, number]
    since = np.searchsorted(times_s, times_s - RAISE_AFTER_S, "right") - 1  # the alarm sees these frames, or more
    return np.array([scores[max(first, 0) : last + 1].min() for last, first in enumerate(since)])


def require_blocks(segments: Sequence[Segment]) -> None:
    """Raises InputError when they hold too few blocks."""
    count = sum(int(_blocks(each.times_s)[-1]) for each in segments)
    if count < BLOCKS_MIN:
        raise InputError(
            f"the drive gives {count} blocks of {BLOCK_S:g} s and calibration needs {BLOCKS_MIN};"
            " drive a lap or two more"
        )


def _blocks(times_s: Array) -> NDArray[np.intp]:
    """The number of the block [n] that each frame is in; the last one may not be whole."""
    return ((times_s - times_s[0]) // BLOCK_S).astype(int)
