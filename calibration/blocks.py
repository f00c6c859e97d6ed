"""Filters the scores of a clean drive as the car does, and takes their maxima over blocks of two seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..edge.alarm import RAISE_AFTER_S
from ..edge.ema import ExponentialAverage
from ..edge.errors import InputError

BLOCK_S = 2.0  # the maxima of blocks this long are taken as independent
BLOCKS_MIN = 5  # ten seconds: the blocks of other cars stand in for the rest
BLOCKS_MIN_ALONE = 10  # where there are none of other cars

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Segment:
    """Averages over a part of a drive without a gap, from where all of them have warmed up."""

    values: Array  # [n, A, F] of A averages, or a score computed from each, [n, A]
    times_s: Array  # [n]


def filtered_segments(series: Array, times_s: Array, average: ExponentialAverage) -> list[Segment]:
    """Average the values [N, F] of a drive over time, as on the car, and split them at its gaps."""
    segments: list[Segment] = []
    values: list[Array] = []
    moments_s: list[float] = []
    for frame_values, t_s in zip(series, times_s.tolist(), strict=True):
        means = average.update(frame_values, t_s)
        if all(average.warmed_up):
            values.append(means)
            moments_s.append(t_s)
        elif values:  # a gap: the averages have restarted
            segments.append(Segment(np.stack(values), np.array(moments_s)))
            values, moments_s = [], []
    return [*segments, Segment(np.stack(values), np.array(moments_s))] if values else segments


def block_maxima(segments: Sequence[Segment], column: int = 0) -> Array:
    """Return the maxima [K] over whole blocks of two seconds of what one column of the values [n, S] sustains."""
    maxima: list[float] = []
    for segment in segments:
        scores, block = sustained(segment, column), _blocks(segment.times_s)
        maxima += [float(scores[block == each].max()) for each in range(block[-1])]
    return np.array(maxima)


def sustained(segment: Segment, column: int = 0) -> Array:
    """Return the smallest score within `RAISE_AFTER_S` before each frame, [n]: what raises an alarm there."""
    times_s = segment.times_s
    scores = segment.values.reshape(len(times_s), -1)[:, column]
    since = np.searchsorted(times_s, times_s - RAISE_AFTER_S, "right") - 1  # the alarm sees these frames, or more
    return np.array([scores[max(first, 0) : last + 1].min() for last, first in enumerate(since)])


def require_blocks(segments: Sequence[Segment], needed: int = BLOCKS_MIN) -> None:
    """Raise InputError when the segments hold too few blocks."""
    count = sum(int(_blocks(each.times_s)[-1]) for each in segments)
    if count < needed:
        raise InputError(
            f"the drive gives {count} blocks of {BLOCK_S:g} s and calibration needs {needed}; drive a lap or two more"
        )


def _blocks(times_s: Array) -> NDArray[np.intp]:
    """Return the number of the block that each frame is in, [n]; the last block may not be whole."""
    return ((times_s - times_s[0]) // BLOCK_S).astype(int)
