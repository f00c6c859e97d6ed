"""Metrics of the evaluation: AUC, cell AUC and IoU, averages over time, bootstrap intervals."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from ...edge.ema import ExponentialAverage
from ...edge.frame import area_matrix

DRAWS = 500  # of a bootstrap
CONFIDENCE = 0.95

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % bootstrap interval over episodes and drives. NaN if there is no data."""

    value: float
    low: float
    high: float


def auc(positives: Array, negatives: Array) -> float:
    """Return the area under the ROC curve: the share of pairs in which the positive is larger, ties counting half.

    NaN if either class is empty.

    Example:
        >>> auc(np.array([1.0, 3.0]), np.array([0.0, 2.0]))
        0.75
    """
    if not len(positives) or not len(negatives):
        return math.nan
    return float(pairwise_win_rates(positives, negatives).mean())


def pairwise_win_rates(positives: Array, negatives: Array) -> Array:
    """Return for each positive the share of negatives that it exceeds, ties counting half; their mean is the AUC."""
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left") + np.searchsorted(ordered, positives, "right")
    return below / (2 * len(negatives))


def sign_free(area: float) -> float:
    """Return the AUC with the better of both signs."""
    return max(area, 1 - area)


def cell_auc(evidence: NDArray[np.floating], mask: NDArray[np.floating]) -> float:
    """Return the AUC of the map [h, w] for obscured against clear cells; `mask` [m, n] holds the shares obscured.

    A cell that is a third obscured counts a third as obscured. NaN if the mask is 0 or 1 everywhere.
    """
    share = _resized(mask, evidence.shape).ravel()
    values = evidence.astype(float).ravel()
    larger = (values[:, None] > values) + 0.5 * (values[:, None] == values)
    pairs = share.sum() * (1 - share).sum()
    return float(share @ larger @ (1 - share) / pairs) if pairs > 1e-9 else math.nan


def cell_iou(evidence: NDArray[np.floating], mask: NDArray[np.floating]) -> float:
    """Return the intersection over union of the cells where the map [h, w], and where the mask, is at least one half.

    NaN if the mask reaches one half nowhere, as with specks finer than a cell.
    """
    held, obscured = evidence >= 0.5, _resized(mask, evidence.shape) >= 0.5
    return float((held & obscured).sum() / (held | obscured).sum()) if obscured.any() else math.nan


def averaged(scores: Array, times_s: Array, averaging_s: float) -> Array:
    """Average scores [N] or [N, F] over time as the car does; frames with a NaN are skipped and stay NaN."""
    average = ExponentialAverage((averaging_s,))
    result = np.full(scores.shape, np.nan)
    for number in np.flatnonzero(np.isfinite(scores.reshape(len(scores), -1)).all(1)):
        result[number] = average.update(scores[number], float(times_s[number])).reshape(scores.shape[1:])
    return result


def bootstrap(drives: Sequence[Array], statistic: Callable[[Array], float]) -> Interval:
    """Bootstrap a statistic of the episodes of several drives, each [E, F], one row per episode.

    Drives are resampled, and episodes within them. The frames of an episode stay together, because they are far from
    independent; the clean frames that they are compared with stay the same.
    """
    drives = [drive for drive in drives if len(drive)]
    if not drives:
        return Interval(math.nan, math.nan, math.nan)
    rng = np.random.default_rng(0)  # the same rows give the same interval
    values = []
    for _ in range(DRAWS):
        drawn = [drives[number] for number in rng.integers(len(drives), size=len(drives))]
        values.append(statistic(np.concatenate([drive[rng.integers(len(drive), size=len(drive))] for drive in drawn])))
    finite = np.array(values)[np.isfinite(values)]
    tails = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    low, high = np.quantile(finite, tails) if len(finite) else (math.nan, math.nan)
    return Interval(statistic(np.concatenate(drives)), float(low), float(high))


def weighted_mean(rows: Array) -> float:
    """Return the weighted mean of rows [E, 2] of value and weight; NaN if the weights sum to 0."""
    total = rows[:, 1].sum()
    return float(rows[:, 0] @ rows[:, 1] / total) if total > 0 else math.nan


def poisson_upper_bound(events: int, hours: float) -> float:
    """Return the 95 % upper confidence bound of the rate of a Poisson process, per hour, after `events` in `hours`.

    Example:
        >>> round(poisson_upper_bound(0, 3.0), 2)  # no event in three hours: at most one per hour
        1.0
    """
    return float(chi2.ppf(CONFIDENCE, 2 * (events + 1))) / 2 / hours if hours > 0 else math.inf


def _resized(mask: NDArray[np.floating], shape: tuple[int, ...]) -> Array:
    rows, columns = (area_matrix(source, target) for source, target in zip(mask.shape, shape, strict=True))
    return (rows @ mask @ columns.T).astype(float)
