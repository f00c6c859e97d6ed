"""From the scores of a drive to the limits of an alarm: the paper's rule, and one for a clean drive."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..edge.ema import ExponentialAverage
from ..edge.errors import InputError
from ..edge.evidence import PCC_MAX, Thresholds, cell_filters, fisher_z, mean_of_worst
from ..edge.graph import GRID_SIDE
from ..edge.reference import Reference
from .blocks import BLOCK_S, Segment, averaged, block_maxima, require_blocks
from .return_level import return_level

KAPPA = 0.5  # of the paper, "for all scenarios"
AVERAGING_S = 0.3  # of the log odds; the network itself looks back for seconds
FRAMES_MIN = 300
REPEATED_SHARE_MAX = 0.2  # of the frames; a healthy camera repeats hardly any
SPREAD_MIN = 1e-4  # of the PCC over a drive: below it nothing moved
PCC_AVERAGING_S = 1.0
BASELINE_QUANTILE = 0.99  # of the frames of a clean drive
BASELINE_MIN = -1.0  # log odds; with the least rise below, an alarm needs odds of e to 1 at least
NEAR = 2  # places to all sides: what passes on one lap passes beside it on the next
PARTS = 5  # of a clean drive, one after the other: each is measured by what is ordinary in the rest
EXCESS_MIN = 2.0  # log odds of a rise: however calm the drive, less is no alarm
RATE_MIN = 1e-6  # false alarms per hour; one in a century is far beyond what any drive can tell

Array = NDArray[np.float64]


def paper_thresholds(pccs: Array, reference: Reference, kappa: float = KAPPA) -> Thresholds:
    """Eq. 8 and 9: τ = µ − κσ over the drive, on single frames, low side only.

    `pccs` [N]. On a clean drive it flags some 30 % of the frames, whatever the lens: it is here to reproduce the
    paper. The places have no limit. Raises InputError for a drive that cannot be used.
    """
    require_usable(pccs)
    centre = float(pccs.mean())
    low = centre - kappa * float(pccs.std())
    return _by_pcc_alone((max(low, -1.0), centre, 1.0), 0.0, reference)


def pcc_thresholds(pccs: Array, times_s: Array, reference: Reference, false_alarms_per_hour: float) -> Thresholds:
    """Limits of the averaged PCC alone, two-sided, for a rate of false alarms: what the PCC is worth by itself.

    Two-sided: a drop that blurs the picture makes it easier to reconstruct, and dirt adds edges. Half of the budget a
    side, in Fisher's z; blocks, tail and errors as in `clean_limits`. `pccs` [N], `times_s` [N] seconds.
    """
    require_usable(pccs)
    probability = block_probability(false_alarms_per_hour)
    z = np.array([fisher_z(pcc) for pcc in pccs.tolist()])
    segments = averaged(z[:, None], times_s, ExponentialAverage((PCC_AVERAGING_S,)))
    require_blocks(segments)
    high = return_level(block_maxima(segments), probability / 2)
    low = -return_level(block_maxima([replace(each, values=-each.values) for each in segments]), probability / 2)
    pcc = (math.tanh(low), math.tanh(float(np.median(z))), math.tanh(high))
    return _by_pcc_alone(pcc, PCC_AVERAGING_S, reference)


def clean_thresholds(
    pccs: Array, logits: Array, times_s: Array, reference: Reference, false_alarms_per_hour: float
) -> tuple[Thresholds, Array]:
    """Limits of the places' averaged log odds on a clean drive, for a rate of false alarms; and the maxima [2, K] of
    the blocks they rest on, from which `place_limits` makes those of another rate.

    The PCC has no limit: it does not tell drops on a moving car.
    `pccs` [N], `logits` [N, 20, 20], `times_s` [N] seconds, of frames with a settled memory on a car that moves.
    Raises InputError for a drive that is too short, still or frozen, and for a rate below 1e-6.
    """
    require_usable(pccs)
    segments = averaged(logits.reshape(len(logits), -1), times_s, cell_filters(AVERAGING_S))
    require_blocks(segments)
    baseline, maxima = rises(segments)
    thresholds = Thresholds(
        pcc=(-1.0, float(np.median(pccs).clip(-PCC_MAX, PCC_MAX)), 1.0),
        baseline=baseline.reshape(2, GRID_SIDE, GRID_SIDE).astype(np.float32),
        excess=excess_thresholds(maxima, false_alarms_per_hour),
        averaging_s=AVERAGING_S,
        reference=reference,
    )
    return thresholds, maxima


def rises(segments: Sequence[Segment]) -> tuple[Array, Array]:
    """What is ordinary for each place [2, F], and how far the worst ones rise above that together, [2, K] maxima.

    Of both averages, from values [n, 2, F] of a square grid. Ordinary is what a place or one near it exceeds in one of
    a hundred frames only: where a bare wall passes once a lap, never quite the same way, a fault has to say more. Each
    part of the drive is measured against the others: measured against itself it would look calmer than the next drive.
    """
    values = np.concatenate([each.values for each in segments])
    part = np.arange(len(values)) * PARTS // len(values)
    risen = np.empty(values.shape[:2])
    for each in range(PARTS):
        here = part == each
        risen[here] = mean_of_worst(values[here] - _baseline(values[~here]))
    ends = np.cumsum([len(each.times_s) for each in segments])[:-1]
    scored = [replace(each, values=score) for each, score in zip(segments, np.split(risen, ends), strict=True)]
    return _baseline(values), np.stack([block_maxima(scored, average) for average in range(2)])


def _baseline(values: Array) -> Array:
    """What each average hardly exceeds at each place and near it, [2, F], of values [n, 2, F]."""
    side = math.isqrt(values.shape[-1])
    exceeded = np.quantile(values, BASELINE_QUANTILE, axis=0).reshape(-1, side, side)
    near = np.pad(exceeded, [(0, 0), (NEAR, NEAR), (NEAR, NEAR)], mode="edge")
    for axis in (1, 2):
        near = np.lib.stride_tricks.sliding_window_view(near, 2 * NEAR + 1, axis).max(-1)
    return np.maximum(near, BASELINE_MIN).reshape(-1, side * side)


def excess_thresholds(maxima: Array, false_alarms_per_hour: float) -> tuple[float, float]:
    """The limits of the quick and the lasting average from the maxima [2, K] of K blocks; half of the budget each."""
    probability = block_probability(false_alarms_per_hour) / 2
    quick, lasting = (max(return_level(each, probability), EXCESS_MIN) for each in maxima)
    return quick, lasting


def _by_pcc_alone(pcc: tuple[float, float, float], averaging_s: float, reference: Reference) -> Thresholds:
    """Limits under which the places raise no alarm."""
    return Thresholds(
        pcc, np.zeros((2, GRID_SIDE, GRID_SIDE), np.float32), (math.inf, math.inf), averaging_s, reference
    )


def block_probability(false_alarms_per_hour: float) -> float:
    """That of a false alarm in a block, within the budget. Raises InputError for a rate below 1e-6."""
    if not RATE_MIN <= false_alarms_per_hour < math.inf:
        raise InputError(f"false alarms per hour is {false_alarms_per_hour}; give {RATE_MIN:g} or more, for example 1")
    return min(0.5, false_alarms_per_hour * BLOCK_S / 3600)


def require_usable(pccs: Array) -> None:
    """Raises InputError for a drive that is too short, frozen or still, from its PCCs [N]."""
    if len(pccs) < FRAMES_MIN:
        raise InputError(
            f"{len(pccs)} frames can be scored and calibration needs {FRAMES_MIN}; drive a lap or two more"
        )
    repeated = float((np.diff(pccs) == 0).mean())
    if repeated > REPEATED_SHARE_MAX:
        raise InputError(f"{repeated:.0%} of the frames repeat the one before: the camera froze; record another drive")
    if pccs.std() < SPREAD_MIN:
        raise InputError(f"the PCC varies by {pccs.std():.1e} only: the car stood still; calibrate while driving")
