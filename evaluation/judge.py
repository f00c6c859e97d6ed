"""Judges what the monitor said of a drive against the labels of its episodes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .drives import Label

AFTERGLOW_S = 3.0  # after an episode an alarm may still be on its way: it is neither right nor false


@dataclass(frozen=True)
class EpisodeVerdict:
    """Whether an episode was flagged, and how long after its onset."""

    label: Label
    delay_s: float | None  # None: missed


@dataclass(frozen=True)
class Verdict:
    """A drive judged. A false alarm is a rising edge of `obscured` on a clean frame away from an episode."""

    episodes: list[EpisodeVerdict]
    false_alarms: int
    clean_hours: float  # away from episodes: where a false alarm could be counted
    pcc_auc: float  # of a low PCC telling wet from clean frames; 0.5 says nothing, 0 is right with the wrong sign

    @property
    def flagged(self) -> int:
        """How many episodes were flagged."""
        return sum(episode.delay_s is not None for episode in self.episodes)


def judge(labels: Sequence[Label], obscured: NDArray[np.bool_], pccs: NDArray[np.float64], hz: float) -> Verdict:
    """`obscured` [N] and `pccs` [N] (NaN where undefined) belong to the frames 0…N−1 that the labels count."""
    wet = np.zeros(len(obscured), bool)
    near = np.zeros(len(obscured), bool)
    episodes = []
    for label in labels:
        stretch = slice(label.start_index, label.end_index)
        wet[stretch] = True
        near[label.start_index : label.end_index + round(AFTERGLOW_S * hz)] = True
        # An alarm raised before the drop fell is no detection of it: only a rising edge within counts.
        hits = np.flatnonzero(obscured[stretch] & ~_before(obscured)[stretch])
        episodes.append(EpisodeVerdict(label, float(hits[0]) / hz if len(hits) else None))
    rising = obscured & ~_before(obscured)
    defined = np.isfinite(pccs)
    return Verdict(
        episodes,
        false_alarms=int((rising & ~near).sum()),
        clean_hours=float((~near).sum()) / hz / 3600,
        pcc_auc=auc(-pccs[defined & wet], -pccs[defined & ~wet]),
    )


def auc(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> float:
    """The share of pairs in which the positive is larger, ties counting half; NaN without a pair."""
    if not len(positives) or not len(negatives):
        return float("nan")
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left") + np.searchsorted(ordered, positives, "right")
    return float(below.mean()) / 2 / len(negatives)


def _before(obscured: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.concatenate([[False], obscured[:-1]])
