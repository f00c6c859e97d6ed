"""Compare the alarms of a drive with the labels of its episodes: detections, delays, false alarms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..simulation.labels import SAME_S, SETTLED_S, Label
from .metrics import auc

AFTERGLOW_S = 3.0  # after an episode an alarm counts as neither right nor false

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FrameTruth:
    """The ground truth of the frames [N] of a drive."""

    episode: NDArray[np.intp]  # index of the label that a frame belongs to, −1 for none
    settled: Bools  # in an episode, from one second after its onset
    clean: Bools  # in no episode, from three seconds after the last

    @property
    def obscured(self) -> Bools:
        """Frames in an episode, settled or not."""
        return self.episode >= 0


@dataclass(frozen=True)
class EpisodeVerdict:
    """Whether and when an episode was detected."""

    label: Label
    delay_s: float | None  # None: missed


@dataclass(frozen=True)
class Verdict:
    """The result for a drive. A false alarm is a rising edge of `obscured` on a clean frame away from episodes."""

    episodes: list[EpisodeVerdict]
    false_alarms: int
    clean_hours: float  # away from episodes, where false alarms are counted
    pcc_auc: float  # of a low PCC for wet against clean frames; 0.5 is chance

    @property
    def flagged(self) -> int:
        """Number of episodes detected."""
        return sum(episode.delay_s is not None for episode in self.episodes)


def frame_truth(labels: Sequence[Label], times_s: NDArray[np.float64]) -> FrameTruth:
    """Assign the frames taken at `times_s` [N] seconds of driving to the labels, whose indices count from 0."""
    episode = np.full(len(times_s), -1)
    settled = np.zeros(len(times_s), bool)
    clean = np.ones(len(times_s), bool)
    for number, label in enumerate(labels):
        segment = slice(label.start_index, label.end_index)
        episode[segment] = number
        settled[segment] = times_s[segment] >= times_s[label.start_index] + SETTLED_S - SAME_S
        clean[segment] = False
        after = times_s[label.end_index :]
        clean[label.end_index :] &= after - after[:1] >= AFTERGLOW_S - SAME_S
    return FrameTruth(episode, settled, clean)


def judge(labels: Sequence[Label], obscured: Bools, pccs: NDArray[np.float64], times_s: NDArray[np.float64]) -> Verdict:
    """Match alarms with labelled episodes.

    `obscured`, `pccs` (NaN where undefined) and `times_s` (seconds of driving), each [N], belong to the frames 0…N−1.
    """
    truth = frame_truth(labels, times_s)
    # An alarm raised before the onset is no detection: only a rising edge within the episode counts.
    rising = _rising(obscured)
    episodes = []
    for number, label in enumerate(labels):
        hits = times_s[rising & (truth.episode == number)]
        episodes.append(EpisodeVerdict(label, float(hits[0] - times_s[label.start_index]) if len(hits) else None))
    defined = np.isfinite(pccs)
    return Verdict(
        episodes,
        false_alarms=int((rising & truth.clean).sum()),
        clean_hours=float(durations_s(times_s)[truth.clean].sum()) / 3600,
        pcc_auc=auc(-pccs[defined & truth.obscured], -pccs[defined & ~truth.obscured]),
    )


def false_alarm_frames(labels: Sequence[Label], obscured: Bools, times_s: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the numbers of the frames at which a false alarm of the drive was raised; arguments as in `judge`."""
    return np.flatnonzero(_rising(obscured) & frame_truth(labels, times_s).clean)


def _rising(obscured: Bools) -> Bools:
    return obscured & ~np.concatenate([[False], obscured[:-1]])


def durations_s(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the seconds from each frame [N] to the next; the last one gets the median."""
    steps_s = np.diff(times_s)
    return np.append(steps_s, np.median(steps_s) if len(steps_s) else 0.0)
