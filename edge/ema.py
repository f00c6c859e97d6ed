"""Exponential averages over frames that come at any rate, and when they start afresh. Holds no clock: times come in."""

import math

import numpy as np
from numpy.typing import NDArray

from .driving import is_gap
from .graph import RUNNING_MEANS_SIZE, TIME_CONSTANTS_S

WARM_UP_S = 1.5 * max(TIME_CONSTANTS_S)  # sooner, the means of a few moments look to the network like a fault
EFFECTIVE_FRAMES_MIN = 16.0  # in the slow mean: 80 at 20 frames a second, 16 at 4; fewer leave traces of what moves


class EmaWeights:
    """The weight of each new frame in exponential averages with some time constants."""

    def __init__(self, time_constants_s: tuple[float, ...]) -> None:
        self._time_constants_s = time_constants_s
        self.restart()

    def restart(self) -> None:
        """Forget everything: another drive begins."""
        self.frames = 0
        self._t_s = self._first_t_s = 0.0

    @property
    def seen_s(self) -> float:
        """Seconds since the first frame, −1 before it."""
        return self._t_s - self._first_t_s if self.frames else -1.0

    def update(self, t_s: float) -> list[float]:
        """Return the weights, 0…1, of a frame seen at `t_s` seconds: 1 after a gap or a step back, which restart.

        With a time constant of 0 every frame stands for itself.
        """
        step_s = t_s - self._t_s
        if self.frames and is_gap(step_s):
            self.restart()
        if not self.frames:
            self._first_t_s, step_s = t_s, 0.0
        self.frames += 1
        self._t_s = t_s
        # The plain mean until there is enough for the exponential one: the first frame has no special weight.
        least = 1 / self.frames
        return [max(-math.expm1(-step_s / tau_s), least) if tau_s > 0 else 1.0 for tau_s in self._time_constants_s]


class RunningMeans:
    """The state of the graph between frames: its running means, float32 [2, 17600], zero at a restart.

    Example:
        A camera at 20 frames a second warms the means up in three seconds; one at 2 a second never does.

        >>> for hz in (20, 2):
        ...     state = RunningMeans()
        ...     for number in range(100):
        ...         weights = state.weights(number / hz)
        ...     print(state.warmed_up)
        True
        False
    """

    def __init__(self) -> None:
        self._weights = EmaWeights(TIME_CONSTANTS_S)
        self.restart()

    def restart(self) -> None:
        """Forget the frames so far."""
        self._weights.restart()
        self._squared_weights = 0.0  # sum over the frames in the slow mean; its inverse is their effective number
        self.means = np.zeros((len(TIME_CONSTANTS_S), RUNNING_MEANS_SIZE), np.float32)

    @property
    def warmed_up(self) -> bool:
        """Whether the means have seen enough time, and enough frames that none of them dominates the slow one."""
        enough_frames = self._squared_weights * EFFECTIVE_FRAMES_MIN <= 1
        return enough_frames and self._weights.seen_s >= WARM_UP_S

    def weights(self, t_s: float) -> NDArray[np.float32]:
        """Return the weights [2] of the frame seen at `t_s` seconds, as the graph takes them.

        Also sets `means` to zero after a gap: a weight of 1 would leave rounding errors of what was before.
        """
        weights = np.array(self._weights.update(t_s), np.float32)
        if self._weights.frames == 1:
            self.means = np.zeros_like(self.means)
        slow = float(weights[-1])
        self._squared_weights = (1 - slow) ** 2 * self._squared_weights + slow**2
        return weights


class ExponentialAverage:
    """Exponential averages of a value, one for each time constant.

    An average may have different time constants for rising and falling, so that it rises slowly and falls quickly.
    A time constant of 0 takes single frames.
    """

    def __init__(self, rising_s: tuple[float, ...], falling_s: tuple[float, ...] | None = None) -> None:
        self._rising_s = rising_s
        self._weights = EmaWeights(rising_s + (falling_s or ()))
        self.restart()

    def restart(self) -> None:
        """Forget everything."""
        self._weights.restart()
        self._mean: NDArray[np.float64] | float = 0.0

    @property
    def warmed_up(self) -> list[bool]:
        """Whether each average has seen a whole time constant of rising."""
        return [self._weights.seen_s >= rising_s for rising_s in self._rising_s]

    def update(self, value: NDArray[np.float64] | float, t_s: float) -> NDArray[np.float64]:
        """Add a value [F], or one for each average [A, F], seen at `t_s` seconds, and return the averages [A, F].

        Starts afresh after a gap or a step back.
        """
        weights = np.array(self._weights.update(t_s)).reshape(-1, len(self._rising_s), 1)  # [1 or 2, A, 1]
        if self._weights.frames == 1:
            self._mean = 0.0
        step = value - self._mean
        weight = np.where(step > 0, weights[0], weights[1]) if len(weights) > 1 else weights[0]
        self._mean = self._mean + weight * step
        return self._mean
