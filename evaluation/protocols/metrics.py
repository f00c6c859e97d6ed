"""The measures of the lab, in numpy alone: pairs, places, averages, intervals."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...edge.ema import ExponentialAverage
from ...edge.frame import area_matrix

DRAWS = 500  # of a bootstrap
CONFIDENCE = 0.95

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure and the range in which it lies when other episodes and drives are drawn, 95 %. NaN: nothing to say."""

    value: float
    low: float
    high: float


def auc(positives: Array, negatives: Array) -> float:
    """The share of pairs in which the positive is larger, ties counting half; NaN without a pair."""
    if not len(positives) or not len(negatives):
        return math.nan
    return float(pairwise_win_rates(positives, negatives).mean())


def pairwise_win_rates(positives: Array, negatives: Array) -> Array:
    """For each positive the share of negatives that it exceeds, ties counting half. Their mean is the AUC, so an AUC
    over several episodes against the same clean frames is the mean over the episodes, weighted by their frames."""
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left") + np.searchsorted(ordered, positives, "right")
    return below / (2 * len(negatives))


def sign_free(area: float) -> float:
    """What an AUC would be if somebody who knows the answer had chosen the sign."""
    return max(area, 1 - area)


def cell_auc(evidence: NDArray[np.floating], mask: NDArray[np.floating]) -> float:
    """AUC of the map [h, w] telling obscured from clear positions of the lens; `mask` [m, n] holds the shares
    obscured. A place that is a third obscured counts a third as obscured. NaN when the mask is all or nothing."""
    share = _resized(mask, evidence.shape).ravel()
    values = evidence.astype(float).ravel()
    larger = (values[:, None] > values) + 0.5 * (values[:, None] == values)
    pairs = share.sum() * (1 - share).sum()
    return float(share @ larger @ (1 - share) / pairs) if pairs > 1e-9 else math.nan


def cell_iou(evidence: NDArray[np.floating], mask: NDArray[np.floating]) -> float:
    """Intersection over union of the places where the map [h, w] is at least one half and where the mask is.

    NaN when the mask is nowhere one half: specks finer than a place.
    """
    held, obscured = evidence >= 0.5, _resized(mask, evidence.shape) >= 0.5
    return float((held & obscured).sum() / (held | obscured).sum()) if obscured.any() else math.nan


def averaged(scores: Array, times_s: Array, averaging_s: float) -> Array:
    """Scores [N] or [N, F] averaged over time as the car averages; frames with a NaN are passed over and stay NaN."""
    average = ExponentialAverage((averaging_s,))
    result = np.full(scores.shape, np.nan)
    for number in np.flatnonzero(np.isfinite(scores.reshape(len(scores), -1)).all(1)):
        result[number] = average.update(scores[number], float(times_s[number])).reshape(scores.shape[1:])
    return result


def bootstrap(drives: Sequence[Array], statistic: Callable[[Array], float]) -> Interval:
    """A statistic of the episodes of some drives, each [E, F], a row an episode.

    Episodes are drawn anew within drives that are drawn anew. Frames of an episode never part: they are far from
    independent. What the episodes are compared with, the clean frames, stays as it is.
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
    """Of rows [E, 2], value and weight; NaN without weight."""
    total = rows[:, 1].sum()
    return float(rows[:, 0] @ rows[:, 1] / total) if total > 0 else math.nan


def poisson_upper_bound(events: int, hours: float) -> float:
    """The largest rate an hour that would give so few events with a probability of 5 %: events of a Poisson process."""
    low, high = 0.0, 10.0 + 4.0 * events
    for _ in range(60):
        middle = (low + high) / 2
        term = few = math.exp(-middle)
        for number in range(1, events + 1):
            term *= middle / number
            few += term
        low, high = (middle, high) if few > 0.05 else (low, middle)
    return low / hours if hours > 0 else math.inf


def _resized(mask: NDArray[np.floating], shape: tuple[int, ...]) -> Array:
    rows, columns = (area_matrix(source, target) for source, target in zip(mask.shape, shape, strict=True))
    return (rows @ mask @ columns.T).astype(float)
