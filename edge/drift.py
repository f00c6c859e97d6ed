"""Distinguishes a changed scene from an obscured lens: new light, another track, a camera that was moved.

A fault covers part of the lens. If nearly all places stay unlike the clean drive, the calibration is wrong, not the
lens.
"""

import math

import numpy as np

from .driving import continuous_s
from .ema import ExponentialAverage
from .reference import Reference, distribution_shift
from .scorer import FrameScore

AVERAGED_S = 30.0  # of driving, about a lap: a bend is no change of the world
SHIFT_MAX = 0.4  # scales. Of drives not calibrated on: their own track stays below 0.25, another lies above 0.45
ENDS_BELOW = 0.8  # of that
UPDATE_EVERY_S = 0.25  # often enough for such an average


class Drift:
    """Follows how far the feature maps have shifted from the reference of the calibration. Holds no clock.

    If the scene matched the reference before an alarm, the alarm is trusted and averaging pauses until it ends, however
    large the fault. If no match has been seen yet, for example just after power-on, an alarm that lasts is checked.
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._averages = (ExponentialAverage((AVERAGED_S,)), ExponentialAverage((AVERAGED_S,)))  # clear, obscured
        self.restart()

    def restart(self) -> None:
        """Forget everything: another drive begins, perhaps elsewhere."""
        for average in self._averages:
            average.restart()
        self._driving_s = [0.0, 0.0]  # clear, obscured
        self._t_s = math.inf
        self._fits = self.drifting = False

    def update(self, score: FrameScore, t_s: float, *, obscured: bool) -> bool:
        """Take a score and the alarm's decision before it; return whether the scene has changed."""
        if not obscured:
            self._averages[True].restart()  # each alarm is examined by itself
        if score.feature_maps is None or 0 <= t_s - self._t_s < UPDATE_EVERY_S:
            return self.drifting
        step_s, self._t_s = t_s - self._t_s, t_s
        if not score.is_informative or (obscured and self._fits):
            return self.drifting
        self._driving_s[obscured] += continuous_s(step_s)
        average = self._averages[obscured]
        mean = average.update(score.feature_maps.astype(np.float64), self._driving_s[obscured])
        if average.warmed_up[0]:
            shift = distribution_shift(mean, self._reference)
            self.drifting = shift >= SHIFT_MAX * (ENDS_BELOW if self.drifting else 1.0)
            self._fits = not (obscured or self.drifting)
        return self.drifting
