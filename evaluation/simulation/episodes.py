"""Render the lens faults of a drive's episodes, into generated and recorded frames alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...edge.errors import InputError
from ...optics import FAMILIES, TIME_PROFILES, Fault, State, TimeProfile, coverage_at, mask_at, render_at
from .labels import SAME_S, SETTLED_S, Label, shrunk

EPISODE_EVERY_S = 80.0
COVERAGE = (0.02, 0.9)  # range of a fault
MOMENTS = 9  # of an episode, over which its coverage and mask are averaged
FAINT, GONE = 0.3, 0.01  # strength and coverage below which a fault counts as gone
GONE_EVERY_S = 0.2  # resolution with which its end is found
FAULTS = 2  # random stream of the faults: wet and clean drives of one seed differ by these alone


@dataclass(frozen=True, slots=True)
class Episode:
    """A segment of a drive with a fault on the lens, wiped off at its end. Times in seconds of driving."""

    start_s: float
    end_s: float  # exclusive
    coverage: float  # share of the frame, averaged over the episode, 0.02..0.9
    kind: str = "front_drop"  # a family of `optics.FAMILIES`
    time_profile: str = "sudden"  # how it develops, one of `optics.TIME_PROFILES`


@dataclass(frozen=True, eq=False)
class _RenderedEpisode:
    """The fault of an episode and its time profile."""

    episode: Episode
    fault: Fault
    time_profile: TimeProfile

    @classmethod
    def random(cls, episode: Episode, height: int, width: int, rng: np.random.Generator) -> _RenderedEpisode:
        time_profile = TimeProfile.random(rng, episode.time_profile)
        length_s = episode.end_s - episode.start_s
        # A fault that grows or dries up is smaller for a while, so its maximum has to be larger.
        mean_scale = np.mean(
            [time_profile.state(t_s, length_s).scale ** 2 for t_s in np.linspace(0, length_s, MOMENTS)]
        )
        coverage = float(np.clip(episode.coverage / mean_scale, *COVERAGE))
        return cls(episode, FAMILIES[episode.kind].random(rng, height, width, coverage), time_profile)

    def state(self, t_s: float) -> State:
        """Return the state `t_s` seconds into the drive."""
        return self.time_profile.state(t_s - self.episode.start_s, self.episode.end_s - self.episode.start_s)

    def label(self, times_s: NDArray[np.float64]) -> Label | None:
        """Label the records that show the fault, until it is wiped off or gone; None if no record shows it."""
        episode = self.episode
        end_s = episode.end_s
        while end_s > episode.start_s + 2 * SETTLED_S and self._is_gone(end_s - self.time_profile.wipe_s):
            end_s -= GONE_EVERY_S
        start, end = np.searchsorted(times_s, np.array([episode.start_s, end_s]) - SAME_S).tolist()
        if start == end:
            return None
        settled_s = min(episode.start_s + SETTLED_S, (episode.start_s + end_s) / 2)
        states = [replace(self.state(t_s), strength=1.0) for t_s in np.linspace(settled_s, end_s, MOMENTS).tolist()]
        coverage = float(np.mean([coverage_at(self.fault, state) for state in states]))
        mask = np.mean([mask_at(self.fault, state) for state in states], axis=0)
        return Label(episode.kind, start, end, coverage, shrunk(mask), episode.time_profile)

    def _is_gone(self, t_s: float) -> bool:
        """Return whether the fault has dried up, faded or slid out of the frame."""
        state = self.state(t_s)
        return state.strength < FAINT or coverage_at(self.fault, replace(state, strength=1.0)) < GONE


class EpisodeRenderer:
    """Renders the episodes of one drive into its frames [height, width, 3]; the same seed gives the same faults."""

    def __init__(self, episodes: Sequence[Episode], height: int, width: int, seed: int) -> None:
        self.height, self.width = height, width
        draws = (np.random.default_rng((seed, FAULTS, number)) for number in range(len(episodes)))
        self._faults = [
            _RenderedEpisode.random(episode, height, width, rng) for episode, rng in zip(episodes, draws, strict=True)
        ]

    def render(self, frame: NDArray[np.uint8], t_s: float) -> NDArray[np.uint8]:
        """Render the uint8 frame `t_s` seconds into the drive; the frame itself is returned where the lens is clear."""
        for rendered in self._faults:
            if rendered.episode.start_s - SAME_S <= t_s < rendered.episode.end_s - SAME_S:
                return render_at(rendered.fault, frame, rendered.state(t_s))
        return frame

    def labels(self, times_s: NDArray[np.float64]) -> list[Label]:
        """Label the records at `times_s` [N], ascending. An episode that no record shows has no label."""
        labels = [rendered.label(times_s) for rendered in self._faults]
        return [label for label in labels if label is not None]


def check_episodes(episodes: Sequence[Episode], seconds: float) -> None:
    """Raise InputError for episodes that overlap, exceed the drive, or have an unknown family or time profile."""
    wiped_s = 0.0
    for episode in sorted(episodes, key=lambda episode: episode.start_s):
        if episode.kind not in FAMILIES:
            raise InputError(f"unknown kind of episode {episode.kind!r}: choose one of {', '.join(FAMILIES)}")
        if episode.time_profile not in TIME_PROFILES:
            raise InputError(
                f"unknown time profile of an episode {episode.time_profile!r}: choose one of {', '.join(TIME_PROFILES)}"
            )
        if not wiped_s <= episode.start_s < episode.end_s <= seconds:
            raise InputError(f"{episode} must lie within the drive of {seconds} s and after the one before")
        if not COVERAGE[0] <= episode.coverage <= COVERAGE[1]:
            raise InputError(f"{episode} needs a coverage within 0.02..0.9")
        wiped_s = episode.end_s


def scattered_episodes(
    seconds: float,
    rng: np.random.Generator,
    kinds: Sequence[str] = ("front_drop",),
    time_profiles: Sequence[str] = ("sudden",),
) -> list[Episode]:
    """Draw faults for one eighth of a drive, as in the paper: an episode for every 80 s or part of it, kinds in turn.

    Every kind gets an episode, however short the drive.
    """
    count = max(len(kinds), round(seconds / EPISODE_EVERY_S))
    segment_s = seconds / count
    starts_s = (np.arange(count) + rng.uniform(0.2, 0.6)) * segment_s
    order = rng.permutation(len(kinds))
    return [
        Episode(
            start_s,
            start_s + segment_s / 8,
            coverage=rng.uniform(0.1, 0.5),
            kind=kinds[order[number % len(kinds)]],
            time_profile=time_profiles[rng.integers(len(time_profiles))],
        )
        for number, start_s in enumerate(starts_s.tolist())
    ]
