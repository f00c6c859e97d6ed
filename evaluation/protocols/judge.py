"""Judges what the monitor said of a drive against the labels of its episodes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..simulation.labels import SAME_S, SETTLED_S, Label
from .metrics import auc

AFTERGLOW_S = 3.0  # after an episode an alarm may still be on its way: it is neither right nor false

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Moments:
    """Which frames [N] of a drive are what."""

    episode: NDArray[np.intp]  # number of the label a frame belongs to, −1 for none
    settled: Bools  # of an episode, from one second after its onset
    clean: Bools  # of no episode, from three seconds after the last

    @property
    def obscured(self) -> Bools:
        """Of an episode, settled or not."""
        return self.episode >= 0


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


def moments(labels: Sequence[Label], times_s: NDArray[np.float64]) -> Moments:
    """Sort the frames taken at `times_s` [N] seconds of driving, which the labels count from 0."""
    episode = np.full(len(times_s), -1)
    settled = np.zeros(len(times_s), bool)
    clean = np.ones(len(times_s), bool)
    for number, label in enumerate(labels):
        stretch = slice(label.start_index, label.end_index)
        episode[stretch] = number
        settled[stretch] = times_s[stretch] >= times_s[label.start_index] + SETTLED_S - SAME_S
        clean[stretch] = False
        after = times_s[label.end_index :]
        clean[label.end_index :] &= after - after[:1] >= AFTERGLOW_S - SAME_S
    return Moments(episode, settled, clean)


def judge(labels: Sequence[Label], obscured: Bools, pccs: NDArray[np.float64], times_s: NDArray[np.float64]) -> Verdict:
    """`obscured`, `pccs` (NaN where undefined) and `times_s`, seconds of driving, [N] each, are of the frames 0…N−1
    that the labels count."""
    sorted_frames = moments(labels, times_s)
    # An alarm raised before the drop fell is no detection of it: only a rising edge within counts.
    rising = obscured & ~np.concatenate([[False], obscured[:-1]])
    episodes = []
    for number, label in enumerate(labels):
        hits = times_s[rising & (sorted_frames.episode == number)]
        episodes.append(EpisodeVerdict(label, float(hits[0] - times_s[label.start_index]) if len(hits) else None))
    defined = np.isfinite(pccs)
    return Verdict(
        episodes,
        false_alarms=int((rising & sorted_frames.clean).sum()),
        clean_hours=float(lasting_s(times_s)[sorted_frames.clean].sum()) / 3600,
        pcc_auc=auc(-pccs[defined & sorted_frames.obscured], -pccs[defined & ~sorted_frames.obscured]),
    )


def lasting_s(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """How long each frame [N] lasts until the next; the last one as long as most."""
    steps_s = np.diff(times_s)
    return np.append(steps_s, np.median(steps_s) if len(steps_s) else 0.0)
