"""Tells a world that changed from an obscured lens: new light, another track, a camera that was moved.

A fault covers part of the lens. When nearly all places look lastingly unlike the clean drive, the calibration is at
fault, not the lens.
"""

import math

import numpy as np
from numpy.typing import NDArray

from .evidence import TimeAverage, stands
from .memory import GAP_S, Reference
from .scorer import FrameScore

AVERAGED_S = 30.0  # of driving, about a lap: a bend is no change of the world
MOVED_MAX = 0.4  # spreads. Of drives not calibrated on: their own track stays below 0.25, another lies above 0.45
SETTLES_BELOW = 0.8  # of that
LOOK_EVERY_S = 0.25  # often enough for such an average
UNMOVED_SHARE = 0.25  # of the places: what the others exceed counts, so that a fault on half of the lens is no drift


def telling(score: FrameScore) -> bool:
    """Whether a frame says something of the lens: a settled memory, on a car that moves."""
    return score.pcc is not None and score.settled and not stands(score)


def moved(pictures: NDArray[np.floating], reference: Reference) -> float:
    """How far averaged pictures [20, 10, 10] lie from a reference, in its spreads: what three of four places exceed."""
    by_place = (np.abs(pictures - reference[0]) / reference[1]).mean(0).ravel()
    below, share = divmod(UNMOVED_SHARE * (by_place.size - 1), 1)  # as `quantile`, at less cost
    low, high = np.sort(by_place)[int(below) :][:2]
    return float(low + share * (high - low))


class Drift:
    """Follows how far the whole picture has moved from the reference of the calibration. Holds no clock.

    An alarm is believed where the world fitted before it: it holds this still, however large the fault. Where the
    world has not been seen to fit, because the car has just been switched on, an alarm that lasts is examined too.
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._averages = (TimeAverage((AVERAGED_S,)), TimeAverage((AVERAGED_S,)))  # of the pictures, clear and obscured
        self.restart()

    def restart(self) -> None:
        """Another drive begins, perhaps elsewhere."""
        for average in self._averages:
            average.restart()
        self._driven_s = [0.0, 0.0]  # clear, obscured
        self._t_s = math.inf
        self._fits = self.drifting = False

    def update(self, score: FrameScore, t_s: float, *, obscured: bool) -> bool:
        """Take a score and the alarm's decision before it; returns whether the world has changed."""
        if not obscured:
            self._averages[True].restart()  # each alarm is examined by itself
        if 0 <= t_s - self._t_s < LOOK_EVERY_S:
            return self.drifting
        step_s, self._t_s = t_s - self._t_s, t_s
        if score.pictures is None or not telling(score) or (obscured and self._fits):
            return self.drifting
        self._driven_s[obscured] += step_s if 0 <= step_s <= GAP_S else 0.0
        average = self._averages[obscured]
        mean = average.update(score.pictures.astype(np.float64), self._driven_s[obscured])
        if average.settled[0]:
            self.drifting = moved(mean, self._reference) >= MOVED_MAX * (SETTLES_BELOW if self.drifting else 1.0)
            self._fits = not (obscured or self.drifting)
        return self.drifting
