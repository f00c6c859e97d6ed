"""From the scores of a drive to the limits of an alarm: the paper's rule, and one for a clean drive."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..edge.errors import InputError
from ..edge.evidence import PCC_MAX, Limits, TimeAverage, fisher_z, place_averages, worst_mean
from ..edge.memory import PLACES, Reference
from .blocks import BLOCK_S, Stretch, averaged, block_maxima, require_blocks
from .tail import tail_limit

KAPPA = 0.5  # of the paper, "for all scenarios"
AVERAGING_S = 0.3  # of the log odds; the network itself looks back for seconds
FRAMES_MIN = 300
REPEATED_SHARE_MAX = 0.2  # of the frames; a healthy camera repeats hardly any
SPREAD_MIN = 1e-4  # of the PCC over a drive: below it nothing moved
PCC_AVERAGING_S = 1.0
ORDINARY_SHARE = 0.99  # of the frames of a clean drive
ORDINARY_MIN = -1.0  # log odds; with the least rise below, an alarm needs odds of e to 1 at least
NEAR = 2  # places to all sides: what passes on one lap passes beside it on the next
PARTS = 5  # of a clean drive, one after the other: each is measured by what is ordinary in the rest
LIMIT_MIN = 2.0  # log odds of a rise: however calm the drive, less is no alarm
RATE_MIN = 1e-6  # false alarms per hour; one in a century is far beyond what any drive can tell

Array = NDArray[np.float64]


def paper_limits(pccs: Array, reference: Reference, kappa: float = KAPPA) -> Limits:
    """Eq. 8 and 9: τ = µ − κσ over the drive, on single frames, low side only.

    `pccs` [N]. On a clean drive it flags some 30 % of the frames, whatever the lens: it is here to reproduce the
    paper. The places have no limit. Raises InputError for a drive that cannot be used.
    """
    require_usable(pccs)
    centre = float(pccs.mean())
    low = centre - kappa * float(pccs.std())
    return _by_pcc_alone((max(low, -1.0), centre, 1.0), 0.0, reference)


def pcc_limits(pccs: Array, times_s: Array, reference: Reference, false_alarms_per_hour: float) -> Limits:
    """Limits of the averaged PCC alone, two-sided, for a rate of false alarms: what the PCC is worth by itself.

    Two-sided: a drop that blurs the picture makes it easier to reconstruct, and dirt adds edges. Half of the budget a
    side, in Fisher's z; blocks, tail and errors as in `clean_limits`. `pccs` [N], `times_s` [N] seconds.
    """
    require_usable(pccs)
    probability = block_probability(false_alarms_per_hour)
    z = np.array([fisher_z(pcc) for pcc in pccs.tolist()])
    stretches = averaged(z[:, None], times_s, TimeAverage((PCC_AVERAGING_S,)))
    require_blocks(stretches)
    high = tail_limit(block_maxima(stretches), probability / 2)
    low = -tail_limit(block_maxima([replace(each, values=-each.values) for each in stretches]), probability / 2)
    pcc = (math.tanh(low), math.tanh(float(np.median(z))), math.tanh(high))
    return _by_pcc_alone(pcc, PCC_AVERAGING_S, reference)


def clean_limits(
    pccs: Array, logits: Array, times_s: Array, reference: Reference, false_alarms_per_hour: float
) -> tuple[Limits, Array]:
    """Limits of the places' averaged log odds on a clean drive, for a rate of false alarms; and the maxima [2, K] of
    the blocks they rest on, from which `place_limits` makes those of another rate.

    The PCC has no limit: it does not tell drops on a moving car.
    `pccs` [N], `logits` [N, 20, 20], `times_s` [N] seconds, of frames with a settled memory on a car that moves.
    Raises InputError for a drive that is too short, still or frozen, and for a rate below 1e-6.
    """
    require_usable(pccs)
    stretches = averaged(logits.reshape(len(logits), -1), times_s, place_averages(AVERAGING_S))
    require_blocks(stretches)
    ordinary, maxima = rises(stretches)
    limits = Limits(
        pcc=(-1.0, float(np.median(pccs).clip(-PCC_MAX, PCC_MAX)), 1.0),
        ordinary=ordinary.reshape(2, PLACES, PLACES).astype(np.float32),
        limit=place_limits(maxima, false_alarms_per_hour),
        averaging_s=AVERAGING_S,
        reference=reference,
    )
    return limits, maxima


def rises(stretches: Sequence[Stretch]) -> tuple[Array, Array]:
    """What is ordinary for each place [2, F], and how far the worst ones rise above that together, [2, K] maxima.

    Of both averages, from values [n, 2, F] of a square grid. Ordinary is what a place or one near it exceeds in one of
    a hundred frames only: where a bare wall passes once a lap, never quite the same way, a fault has to say more. Each
    part of the drive is measured against the others: measured against itself it would look calmer than the next drive.
    """
    values = np.concatenate([each.values for each in stretches])
    part = np.arange(len(values)) * PARTS // len(values)
    risen = np.empty(values.shape[:2])
    for each in range(PARTS):
        here = part == each
        risen[here] = worst_mean(values[here] - _ordinary(values[~here]))
    ends = np.cumsum([len(each.times_s) for each in stretches])[:-1]
    scored = [replace(each, values=score) for each, score in zip(stretches, np.split(risen, ends), strict=True)]
    return _ordinary(values), np.stack([block_maxima(scored, average) for average in range(2)])


def _ordinary(values: Array) -> Array:
    """What each average hardly exceeds at each place and near it, [2, F], of values [n, 2, F]."""
    side = math.isqrt(values.shape[-1])
    exceeded = np.quantile(values, ORDINARY_SHARE, axis=0).reshape(-1, side, side)
    near = np.pad(exceeded, [(0, 0), (NEAR, NEAR), (NEAR, NEAR)], mode="edge")
    for axis in (1, 2):
        near = np.lib.stride_tricks.sliding_window_view(near, 2 * NEAR + 1, axis).max(-1)
    return np.maximum(near, ORDINARY_MIN).reshape(-1, side * side)


def place_limits(maxima: Array, false_alarms_per_hour: float) -> tuple[float, float]:
    """The limits of the quick and the lasting average from the maxima [2, K] of K blocks; half of the budget each."""
    probability = block_probability(false_alarms_per_hour) / 2
    quick, lasting = (max(tail_limit(each, probability), LIMIT_MIN) for each in maxima)
    return quick, lasting


def _by_pcc_alone(pcc: tuple[float, float, float], averaging_s: float, reference: Reference) -> Limits:
    """Limits under which the places raise no alarm."""
    return Limits(pcc, np.zeros((2, PLACES, PLACES), np.float32), (math.inf, math.inf), averaging_s, reference)


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
