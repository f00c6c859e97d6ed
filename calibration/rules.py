"""From the scores of a drive to the limits of an alarm: the paper's rule, and one for a clean drive."""

import math

import numpy as np
from numpy.typing import NDArray

from ..edge.errors import InputError
from ..edge.evidence import Limits, TimeAverage, deviation, figures, worst_mean
from ..edge.measures import TILES

KAPPA = 0.5  # of the paper, "for all scenarios"
AVERAGING_S = 1.0  # a fault stays where it is on the lens while the scene moves
BLOCK_S = 2.0  # the extremes of blocks this long are taken as independent
BLOCKS_MIN = 15  # half a minute
FRAMES_MIN = 300
REPEATED_SHARE_MAX = 0.2  # of the frames; a healthy camera repeats hardly any
SPREAD_MIN = 1e-4  # of the PCC over a drive: below it nothing moved
ORDINARY = (0.02, 0.5, 0.98)  # quantiles of the sharpness of a place
WIDTH_MIN = 0.1  # of an ordinary range, in log energy: at a place that never changes, noise is no deviation
RATE_MIN = 1e-6  # false alarms per hour; one in a century is far beyond what any drive can tell
EULER = 0.5772156649  # mean of the standard Gumbel distribution

Array = NDArray[np.float64]


def paper_limits(pccs: Array, kappa: float = KAPPA) -> Limits:
    """Eq. 8 and 9: τ = µ − κσ over the drive, on single frames, low side only.

    `pccs` [N]. On a clean drive it flags some 30 % of the frames, whatever the lens: it is here to reproduce the
    paper. The places have no limits. Raises InputError for a drive that cannot be used.
    """
    _require_usable(pccs)
    centre = float(pccs.mean())
    low = centre - kappa * float(pccs.std())
    anything = np.full((TILES, TILES), np.inf, np.float32)
    return Limits((max(low, -1.0), centre, 1.0), np.stack([-anything, np.zeros_like(anything), anything]), 1.0, 0.0)


def clean_limits(pccs: Array, maps: Array, times_s: Array, false_alarms_per_hour: float) -> Limits:
    """Limits of the averaged figures of a clean drive, for a rate of false alarms.

    Half of the budget goes to the PCC (as Fisher's z, a quarter a side), half to the ten worst places, whose
    sharpness is measured in ordinary ranges: centre to the 2 % or 98 % quantile of this drive. The extremes of
    two-second blocks are taken as independent draws from a Gumbel distribution, whose tail gives the limit where
    the budget lies beyond the drive; no limit lies inside what the drive showed. A model, not a guarantee: it
    holds for this light and this track. `pccs` [N], `maps` [N, M, 10, 10], `times_s` [N] seconds.
    Raises InputError for a drive that is too short, still or frozen, and for a rate below 1e-6.
    """
    if not RATE_MIN <= false_alarms_per_hour < math.inf:
        raise InputError(f"false alarms per hour is {false_alarms_per_hour}; give {RATE_MIN:g} or more, for example 1")
    _require_usable(pccs)
    blocks = averaged_blocks(figures(pccs, maps), times_s)
    if len(blocks) < BLOCKS_MIN:
        raise InputError(
            f"the drive gives {len(blocks)} blocks of {BLOCK_S:g} s and calibration needs {BLOCKS_MIN};"
            " drive a lap or two more"
        )
    probability = min(0.5, false_alarms_per_hour * BLOCK_S / 3600)  # of a block
    averages = np.concatenate(blocks)
    centre_z = float(np.median(averages[:, 0]))
    high_z = tail_limit(np.array([block[:, 0].max() for block in blocks]), probability / 4)
    low_z = -tail_limit(np.array([-block[:, 0].min() for block in blocks]), probability / 4)
    low, centre, high = np.quantile(averages[:, 1:], ORDINARY, axis=0)  # [100] each
    places = np.stack([np.minimum(low, centre - WIDTH_MIN), centre, np.maximum(high, centre + WIDTH_MIN)])
    worst = np.array([worst_mean(deviation(block[:, 1:], *places)).max() for block in blocks])
    return Limits(
        pcc=(math.tanh(low_z), math.tanh(centre_z), math.tanh(high_z)),
        places=places.reshape(3, TILES, TILES).astype(np.float32),
        places_limit=max(tail_limit(worst, probability / 2), 1.0),  # within the ordinary nothing is an alarm
        averaging_s=AVERAGING_S,
    )


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


def tail_limit(maxima: Array, probability: float) -> float:
    """The value that a block's maximum exceeds with this probability, from the maxima [K] of K blocks.

    A Gumbel distribution fitted by its moments; never below the largest maximum seen.
    """
    scale = float(maxima.std()) * math.sqrt(6) / math.pi
    location = float(maxima.mean()) - EULER * scale
    return max(location - scale * math.log(-math.log1p(-probability)), float(maxima.max()))


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
