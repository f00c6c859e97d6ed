"""The time profile of a lens fault: how it appears, moves and vanishes during an episode, as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

TIME_PROFILES = ("sudden", "growth", "slide", "drying")
SMALLEST = 0.3  # scale at which growth starts and at which drying stops


@dataclass(frozen=True, slots=True)
class State:
    """A fault at one moment: strength 0..1; slide down, in frame widths; scale, SMALLEST..1."""

    strength: float = 1.0
    slide: float = 0.0
    scale: float = 1.0

    @property
    def in_place(self) -> bool:
        """Whether the fault is at its original position and size."""
        return self.slide == 0.0 and self.scale == 1.0


@dataclass(frozen=True, slots=True)
class TimeProfile:
    """How a fault develops; all times in s. The defaults: there after 0.3 s, unchanged, wiped off in 0.15 s."""

    onset_s: float = 0.3  # strength rises
    growth_s: float = 0.0  # scale rises
    slide_per_s: float = 0.0  # frame widths; 0.3 positions of 80 a frame at 20 Hz are 0.075
    shrinking_s: float = math.inf  # time constant of the scale while drying
    fading_s: float = math.inf  # time constant of the strength while drying
    wipe_s: float = 0.15  # the end of the episode, during which the strength falls to 0; 0: not wiped

    @classmethod
    def random(cls, rng: np.random.Generator, kind: str) -> TimeProfile:
        """Draw a profile of one of the kinds TIME_PROFILES. Raises ValueError for another."""
        onset_s, wipe_s = rng.uniform(0.2, 0.4), rng.uniform(0.05, 0.2)
        if kind == "sudden":
            return cls(onset_s, wipe_s=wipe_s)
        if kind == "growth":
            return cls(onset_s, growth_s=rng.uniform(2.0, 8.0), wipe_s=wipe_s)
        if kind == "slide":
            return cls(onset_s, slide_per_s=rng.uniform(0.0, 0.075), wipe_s=wipe_s)
        if kind == "drying":
            constant_s, faint = rng.uniform(3.0, 20.0), rng.random() < 0.5
            if faint:
                return cls(onset_s, fading_s=constant_s, wipe_s=wipe_s)
            return cls(onset_s, shrinking_s=constant_s, wipe_s=wipe_s)
        raise ValueError(f"course must be one of {', '.join(TIME_PROFILES)}, not {kind!r}")

    def state(self, t_s: float, length_s: float) -> State:
        """The state t_s after the onset of an episode of length_s; outside of the episode the strength is 0."""
        if not 0 <= t_s <= length_s:
            return State(strength=0.0)
        strength = min(1.0, t_s / self.onset_s) if self.onset_s > 0 else 1.0
        strength *= math.exp(-t_s / self.fading_s)
        if self.wipe_s > 0:
            strength *= min(1.0, (length_s - t_s) / self.wipe_s)
        grown = min(1.0, t_s / self.growth_s) if self.growth_s > 0 else 1.0
        scale = (SMALLEST + (1 - SMALLEST) * grown) * math.exp(-t_s / self.shrinking_s)
        return State(strength, self.slide_per_s * t_s, max(scale, SMALLEST))
