"""From the scores of a drive to the limits of an alarm: the paper's rule, and one for a clean drive."""

import math

import numpy as np
from numpy.typing import NDArray

from ..edge.errors import InputError
from ..edge.evidence import Limits, TimeAverage, figures

KAPPA = 0.5  # of the paper, "for all scenarios"
AVERAGING_S = 1.0  # a fault stays where it is on the lens while the scene moves
BLOCK_S = 2.0  # the extremes of blocks this long are taken as independent
BLOCKS_MIN = 15  # half a minute
FRAMES_MIN = 300
REPEATED_SHARE_MAX = 0.2  # of the frames; a healthy camera repeats hardly any
SPREAD_MIN = 1e-4  # of the PCC over a drive: below it nothing moved
WIDTH_MIN = 1e-3  # between centre and limit: a place that never changes must not divide by zero
EULER = 0.5772156649  # mean of the standard Gumbel distribution

Array = NDArray[np.float64]


def paper_limits(pccs: Array, maps: Array, kappa: float = KAPPA) -> Limits:
    """Eq. 8 and 9: τ = µ − κσ over the drive, on single frames, low side only.

    `pccs` [N], `maps` [N, M, 10, 10]. On a clean drive it flags some 30 % of the frames, whatever the lens: it
    is here to reproduce the paper. No place has a limit. Raises InputError for a drive that cannot be used.
    """
    _require_usable(pccs)
    centre = float(pccs.mean())
    middle = np.median(maps, 0)
    by_place = np.stack([np.full_like(middle, -np.inf), middle, np.full_like(middle, np.inf)])
    low = centre - kappa * float(pccs.std())
    return Limits((max(low, -1.0), centre, 1.0), by_place.astype(np.float32), averaging_s=0.0)


def clean_limits(pccs: Array, maps: Array, times_s: Array, false_alarms_per_hour: float) -> Limits:
    """Two-sided limits of the averaged figures of a clean drive, for a rate of false alarms.

    The PCC is averaged as Fisher's z. Each side gets half of the budget. The extremes of two-second blocks are
    taken as independent draws from a Gumbel distribution, whose tail gives the limit where the budget lies
    beyond the drive; no limit lies inside what the drive showed. A model, not a guarantee: it holds for this
    light and this track.
    `pccs` [N], `maps` [N, M, 10, 10], `times_s` [N] seconds. Raises InputError for a drive that is too short,
    still or frozen, and for a rate that is not above 0.
    """
    if not 0 < false_alarms_per_hour < math.inf:
        raise InputError(f"false alarms per hour is {false_alarms_per_hour}; give a number above 0, for example 1")
    _require_usable(pccs)
    blocks = averaged_blocks(figures(pccs, maps), times_s)
    if len(blocks) < BLOCKS_MIN:
        raise InputError(
            f"the drive gives {len(blocks)} blocks of {BLOCK_S:g} s and calibration needs {BLOCKS_MIN};"
            " drive a lap or two more"
        )
    probability = min(0.5, false_alarms_per_hour * BLOCK_S / 3600 / 2)  # of a block, on one side
    centre = np.median(np.concatenate(blocks), 0)
    high = tail_limit(np.stack([block.max(0) for block in blocks]), probability)
    low = -tail_limit(np.stack([-block.min(0) for block in blocks]), probability)
    limits = np.stack([np.minimum(low, centre - WIDTH_MIN), centre, np.maximum(high, centre + WIDTH_MIN)])
    by_place = limits[:, 1:].reshape(3, *maps.shape[1:]).astype(np.float32)
    low_pcc, centre_pcc, high_pcc = np.tanh(limits[:, 0]).tolist()
    return Limits((low_pcc, centre_pcc, high_pcc), by_place, AVERAGING_S)


def averaged_blocks(series: Array, times_s: Array) -> list[Array]:
    """The figures [N, F] of a drive averaged over time as on the car, cut into whole blocks of two seconds."""
    average = TimeAverage(AVERAGING_S)
    blocks: list[Array] = []
    block: list[Array] = []
    block_start_s = 0.0
    for values, t_s in zip(series, times_s, strict=True):
        mean = average.update(values, float(t_s))
        if not average.settled:  # the start of a drive, or what follows a gap
            block = []
            continue
        if not block:
            block_start_s = t_s
        if t_s - block_start_s >= BLOCK_S:
            blocks.append(np.stack(block))
            block, block_start_s = [], t_s
        block.append(mean)
    return blocks


def tail_limit(maxima: Array, probability: float) -> Array:
    """The value that a block's maximum exceeds with this probability, from maxima [K, F] of K blocks, [F].

    A Gumbel distribution fitted by its moments; never below the largest maximum seen.
    """
    scale = maxima.std(0) * math.sqrt(6) / math.pi
    location = maxima.mean(0) - EULER * scale
    return np.maximum(location - scale * math.log(-math.log1p(-probability)), maxima.max(0))


def _require_usable(pccs: Array) -> None:
    if len(pccs) < FRAMES_MIN:
        raise InputError(
            f"{len(pccs)} frames can be scored and calibration needs {FRAMES_MIN}; drive a lap or two more"
        )
    repeated = float((np.diff(pccs) == 0).mean())
    if repeated > REPEATED_SHARE_MAX:
        raise InputError(f"{repeated:.0%} of the frames repeat the one before: the camera froze; record another drive")
    if pccs.std() < SPREAD_MIN:
        raise InputError(f"the PCC varies by {pccs.std():.1e} only: the car stood still; calibrate while driving")
