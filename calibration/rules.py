"""The rules that turn a drive's scores into thresholds: clean, for a false-alarm rate; pcc; and those of papers."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..edge.driving import continuous_s
from ..edge.ema import ExponentialAverage
from ..edge.errors import InputError
from ..edge.evidence import AVERAGING_S, PCC_MAX, Thresholds, cell_filters, fisher_z, mean_of_worst
from ..edge.graph import GRID_SIDE
from ..edge.moving_median import MovingMedian
from ..edge.reference import Reference
from ..edge.scorer import FLAT_CONTRAST
from .blocks import BLOCK_S, BLOCKS_MIN_ALONE, Segment, block_maxima, filtered_segments, require_blocks
from .return_level import Prior, return_level

KAPPA = 0.5  # of the paper, "for all scenarios"
MEDIAN_WINDOW_S, MEDIAN_MARGIN = 5.0, 0.05  # of the rule median: 101 frames at 20 Hz, and a step in PCC
RULES_WITHOUT_RATE = ("paper", "median")  # they are for no false-alarm rate
RULES = ("clean", "pcc", *RULES_WITHOUT_RATE)
FRAMES_MIN = 200  # twenty seconds at 10 Hz
REPEATED_SHARE_MAX = 0.2  # of the frames; a healthy camera repeats hardly any
PCC_DEVIATION_MIN = 1e-4  # over a drive: below it nothing moved
PCC_AVERAGING_S = 1.0
BASELINE_QUANTILE = 0.99  # of the frames of a clean drive
BASELINE_MIN = -1.0  # log odds; with `EXCESS_MIN` on top, an alarm needs odds of 1 or more
# Less driving does not show enough of a track: the baseline then lies between its own and the one with which the
# thresholds would be those of a car without a calibration.
BASELINE_S = 45.0
UNKNOWN_BASELINE = (1.0, 0.7)  # log odds, fast and slow filter
NEIGHBOURS = 2  # cells to all sides: what passes a cell on one lap passes beside it on the next
FOLDS = 5  # of a clean drive, in order: each is measured by the baseline of the others
# Block maxima of the excess, log odds, of the fast and the slow filter: means over eight cars, each with a network that
# had not seen it. Two minutes of a car are some 25 blocks.
PRIORS = (Prior(mean=-0.5, scale=0.38, blocks=60), Prior(mean=-0.9, scale=0.38, blocks=60))
EXCESS_MIN = 1.0  # log odds: however calm the drives, less is no alarm
MOTION_SHARE = 0.3  # of the motion that three of four frames stay below: slower is a crawl
RATE_MIN = 1e-6  # false alarms per hour; one in a century is far beyond what any drive can show

Array = NDArray[np.float64]


def paper_thresholds(pccs: Array, reference: Reference, kappa: float = KAPPA) -> Thresholds:
    """Apply Eq. 8 and 9 of the paper to the PCCs [N] of a drive: τ = µ − κσ, on single frames, low side only.

    On a clean drive the rule flags some 30 % of the frames, whatever the lens: it is here to reproduce the paper. The
    cells have no threshold. Raises InputError for a drive that cannot be used.
    """
    require_usable(pccs)
    mean = float(pccs.mean())
    low = mean - kappa * float(pccs.std())
    return _by_pcc_alone((max(low, -1.0), mean, 1.0), 0.0, reference)


def median_thresholds(pccs: Array, times_s: Array, reference: Reference) -> Thresholds:
    """Apply the rule of the latent reference loss: PCCs smoothed by a median filter, low below their median − 0.05.

    The paper ("Unsupervised anomaly detection to clean imitation-learning data", the lab's earlier one) centres its
    window of 101 frames, 5 s at 20 Hz; a car knows the past only, so that the alarm comes half a window later. `pccs`
    [N], `times_s` [N] seconds. The cells have no threshold. Raises InputError for a drive that cannot be used.
    """
    require_usable(pccs)
    filtered = MovingMedian(MEDIAN_WINDOW_S)
    smoothed = [filtered.update(pcc, t_s) for pcc, t_s in zip(pccs.tolist(), times_s.tolist(), strict=True)]
    centre = float(np.median(smoothed).clip(-PCC_MAX, PCC_MAX))
    thresholds = _by_pcc_alone((max(centre - MEDIAN_MARGIN, -1.0), centre, 1.0), 0.0, reference)
    return replace(thresholds, median_s=MEDIAN_WINDOW_S)


def pcc_thresholds(pccs: Array, times_s: Array, reference: Reference, false_alarms_per_hour: float) -> Thresholds:
    """Return thresholds of the averaged PCC alone, for a false-alarm rate: what the PCC is worth by itself.

    There are two, each with half of the rate: a drop that blurs the picture makes it easier to reconstruct, and dirt
    adds edges. They are computed in Fisher's z; blocks, tail and errors are those of `clean_thresholds`. `pccs` [N],
    `times_s` [N] seconds.
    """
    require_usable(pccs)
    probability = block_probability(false_alarms_per_hour)
    z = np.array([fisher_z(pcc) for pcc in pccs.tolist()])
    segments = filtered_segments(z[:, None], times_s, ExponentialAverage((PCC_AVERAGING_S,)))
    require_blocks(segments, BLOCKS_MIN_ALONE)
    high = return_level(block_maxima(segments), probability / 2)
    low = -return_level(block_maxima([replace(each, values=-each.values) for each in segments]), probability / 2)
    pcc = (math.tanh(low), math.tanh(float(np.median(z))), math.tanh(high))
    return _by_pcc_alone(pcc, PCC_AVERAGING_S, reference)


def clean_thresholds(
    pccs: Array, logits: Array, times_s: Array, reference: Reference, false_alarms_per_hour: float
) -> tuple[Thresholds, Array]:
    """Return thresholds of the cells' filtered log odds on a clean drive, for a false-alarm rate.

    Also returns the block maxima [2, K] they rest on, from which `excess_thresholds` derives those of another rate. The
    PCC has no threshold: on a moving car it does not detect drops. `pccs` [N], `logits` [N, 20, 20] and `times_s` [N],
    seconds, are those of informative frames. Raises InputError for a drive that is too short, still or frozen, and for
    a rate below 1e-6.
    """
    require_usable(pccs)
    segments = filtered_segments(logits.reshape(len(logits), -1), times_s, cell_filters(AVERAGING_S))
    require_blocks(segments)
    baseline, maxima = baseline_and_maxima(segments)
    baseline = _allow_for_the_unseen(baseline, sum(continuous_s(step_s) for step_s in np.diff(times_s).tolist()))
    thresholds = Thresholds(
        pcc=(-1.0, float(np.median(pccs).clip(-PCC_MAX, PCC_MAX)), 1.0),
        baseline=baseline.reshape(2, GRID_SIDE, GRID_SIDE).astype(np.float32),
        excess=excess_thresholds(maxima, false_alarms_per_hour),
        averaging_s=AVERAGING_S,
        reference=reference,
    )
    return thresholds, maxima


def baseline_and_maxima(segments: Sequence[Segment]) -> tuple[Array, Array]:
    """Return the baseline of each cell [2, F], and the block maxima [2, K] of the worst cells' mean excess over it.

    Both for the fast and the slow filter, from values [n, 2, F] of a square grid. Each fold of the drive is measured
    against the baseline of the others: against its own it would look calmer than the next drive.
    """
    values = np.concatenate([each.values for each in segments])
    fold = np.arange(len(values)) * FOLDS // len(values)
    excess = np.empty(values.shape[:2])
    for each in range(FOLDS):
        held_out = fold == each
        excess[held_out] = mean_of_worst(values[held_out] - _baseline(values[~held_out]))
    ends = np.cumsum([len(each.times_s) for each in segments])[:-1]
    return _baseline(values), _maxima(segments, np.split(excess, ends))


def maxima_over(baseline: Array, logits: Array, times_s: Array) -> Array:
    """Return the block maxima [2, K] of the worst cells' mean excess over an existing baseline [2, 20, 20].

    `logits` [N, 20, 20] and `times_s` [N], seconds, are those of the informative frames of a clean drive that the
    baseline was not made from. Raises InputError for a drive with too few blocks.
    """
    segments = filtered_segments(logits.reshape(len(logits), -1), times_s, cell_filters(AVERAGING_S))
    require_blocks(segments)
    return _maxima(segments, [mean_of_worst(each.values - baseline.reshape(2, -1)) for each in segments])


def _maxima(segments: Sequence[Segment], excess: Sequence[Array]) -> Array:
    """Return the block maxima [2, K] of the mean excess of the worst cells in each segment, [n, 2] each."""
    scored = [replace(each, values=score) for each, score in zip(segments, excess, strict=True)]
    return np.stack([block_maxima(scored, column) for column in range(2)])


def _baseline(values: Array) -> Array:
    """Return what a cell and its neighbours exceed in one frame of a hundred, [2, F], from values [n, 2, F].

    Where a bare wall passes once a lap, the baseline is higher, and a fault must raise the log odds further. The values
    change their order: a copy of the longest drive would take 51 MB.
    """
    side = math.isqrt(values.shape[-1])
    exceeded = np.quantile(values, BASELINE_QUANTILE, axis=0, overwrite_input=True).reshape(-1, side, side)
    near = np.pad(exceeded, [(0, 0), (NEIGHBOURS, NEIGHBOURS), (NEIGHBOURS, NEIGHBOURS)], mode="edge")
    for axis in (1, 2):
        near = np.lib.stride_tricks.sliding_window_view(near, 2 * NEIGHBOURS + 1, axis).max(-1)
    return np.maximum(near, BASELINE_MIN).reshape(-1, side * side)


def _allow_for_the_unseen(baseline: Array, driving_s: float) -> Array:
    """Raise the baseline [2, F] of a drive that is too short to have shown what the car passes."""
    missing = max(0.0, 1 - driving_s / BASELINE_S)
    unknown = np.maximum(baseline, np.array(UNKNOWN_BASELINE)[:, None])
    return baseline + missing * (unknown - baseline)


def excess_thresholds(maxima: Array, false_alarms_per_hour: float) -> tuple[float, float]:
    """Return the thresholds of the fast and the slow filter, log odds, from block maxima [2, K]; half of the rate each.

    Two minutes of one car say little about the tail of its block maxima, so they are combined with those of other cars.
    Raises InputError for a rate below 1e-6.
    """
    probability = block_probability(false_alarms_per_hour) / 2
    fast, slow = (
        max(return_level(each, probability, prior), EXCESS_MIN) for each, prior in zip(maxima, PRIORS, strict=True)
    )
    return fast, slow


def crawl_below(motions: Array, contrasts: Array) -> tuple[float, float]:
    """Return the motion, and the motion as a share of the contrast, below which a car crawls.

    From the motions and contrasts [N], 0…1, of the frames of a clean drive. What a car passes at a crawl stays in view
    as long as a fault does. How much moves depends on the scene, so both are relative to the drive's own.
    """
    shares = motions / np.maximum(contrasts, FLAT_CONTRAST)
    motion, share = (MOTION_SHARE * float(np.quantile(values, 0.75)) for values in (motions, shares))
    return motion, share


def _by_pcc_alone(pcc: tuple[float, float, float], averaging_s: float, reference: Reference) -> Thresholds:
    """Return thresholds under which the cells raise no alarm."""
    return Thresholds(
        pcc, np.zeros((2, GRID_SIDE, GRID_SIDE), np.float32), (math.inf, math.inf), averaging_s, reference
    )


def block_probability(false_alarms_per_hour: float) -> float:
    """Return the probability of a false alarm in one block at this rate. Raises InputError for a rate below 1e-6."""
    if not RATE_MIN <= false_alarms_per_hour < math.inf:
        raise InputError(f"false alarms per hour is {false_alarms_per_hour}; give {RATE_MIN:g} or more, for example 1")
    return min(0.5, false_alarms_per_hour * BLOCK_S / 3600)


def require_usable(pccs: Array) -> None:
    """Raise InputError for a drive that is too short, frozen or still, from its PCCs [N]."""
    if len(pccs) < FRAMES_MIN:
        raise InputError(
            f"{len(pccs)} frames can be scored and calibration needs {FRAMES_MIN}; drive a lap or two more"
        )
    repeated = float((np.diff(pccs) == 0).mean())
    if repeated > REPEATED_SHARE_MAX:
        raise InputError(f"{repeated:.0%} of the frames repeat the one before: the camera froze; record another drive")
    if pccs.std() < PCC_DEVIATION_MIN:
        raise InputError(f"the PCC varies by {pccs.std():.1e} only: the car stood still; calibrate while driving")
