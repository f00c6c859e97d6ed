"""Gathers scores over time into evidence that the lens is obscured: 0 is clear, 1 is the alarm limit."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .scorer import FrameScore

GAP_S = 2.0  # without a score for longer, what was gathered is forgotten
FROZEN_AFTER_S = 0.5
FROZEN_FRAMES = 10  # healthy cameras repeat a frame up to three times
PCC_MAX = 0.999999  # a score beyond is taken as this: Fisher's z of 1 is infinite


@dataclass(frozen=True)
class Limits:
    """Between which values a clear lens stays on one vehicle, and where its middle lies.

    Two-sided: a drop that blurs the picture makes it easier to reconstruct. A place with an infinite limit
    never reaches it.
    """

    pcc: tuple[float, float, float]  # low, centre, high; −1…1, a limit of −1 or 1 is never reached
    maps: NDArray[np.float32]  # [3, M, 10, 10]: low, centre, high of each measure at each place
    averaging_s: float  # time constant of the averages that these limits hold for; 0 takes single frames


@dataclass(frozen=True)
class EvidenceState:
    """What has been gathered up to a frame."""

    status: str  # that of the score, or warmup, uncalibrated, frozen
    value: float = 0.0  # ≥ 0; 1.0 is the alarm limit
    coverage: float = 0.0  # 0…1, share of the places held obscured
    map: NDArray[np.float32] | None = None  # [10, 10], 0…1, where


class TimeAverage:
    """An exponential average over time, of frames that come at any rate."""

    def __init__(self, averaging_s: float) -> None:
        self.averaging_s = averaging_s
        self.restart()

    def restart(self) -> None:
        """Forget everything."""
        self.frames = 0
        self._mean: NDArray[np.float64] | float = 0.0
        self._t_s = self._first_t_s = 0.0

    @property
    def settled(self) -> bool:
        """Whether a whole time constant has been seen."""
        return self.frames > 0 and self._t_s - self._first_t_s >= self.averaging_s

    def update(self, value: NDArray[np.float64], t_s: float) -> NDArray[np.float64]:
        """Add a value seen at `t_s` seconds and return the average. Starts afresh after a gap or a step back."""
        step_s = t_s - self._t_s
        if self.frames and not 0 <= step_s <= GAP_S:
            self.restart()
        if not self.frames:
            self._first_t_s, step_s = t_s, 0.0
        self.frames += 1
        self._t_s = t_s
        share = 1.0 if self.averaging_s <= 0 else -math.expm1(-step_s / self.averaging_s)
        # The plain mean until there is enough for the exponential one: the first frame has no special weight.
        self._mean = self._mean + max(share, 1 / self.frames) * (value - self._mean)
        return self._mean


class Evidence:
    """Turns scores into evidence against the limits of one vehicle; without limits it says `uncalibrated`."""

    def __init__(self, limits: Limits | None) -> None:
        self.limits = limits
        with np.errstate(divide="ignore"):  # artanh(±1) = ±∞: a limit that is never reached
            self._pcc_limits = np.arctanh(limits.pcc if limits else (-1, 0, 1))
        self._average = TimeAverage(limits.averaging_s if limits else 0.0)
        self._last_pcc: float | None = None
        self._repeats = 0
        self._unchanged_since_s = 0.0
        self._state = EvidenceState("warmup")

    def restart(self) -> None:
        """Forget what was gathered: another drive begins."""
        self._average.restart()
        self._repeats = 0
        self._state = EvidenceState("warmup")

    def update(self, score: FrameScore, t_s: float) -> EvidenceState:
        """Add the score of the frame seen at `t_s` seconds. Scores without a PCC leave the evidence as it is."""
        if score.pcc is None or score.maps is None:
            return self._hold(score.status)
        if self._is_frozen(score.pcc, t_s):
            return self._hold("frozen")
        if self.limits is None:
            return EvidenceState("uncalibrated")
        average = self._average.update(figures(np.array([score.pcc]), score.maps[None])[0], t_s)
        value = float(deviation(average[0], *self._pcc_limits))
        by_place = deviation(average[1:].reshape(score.maps.shape), *self.limits.maps).max(0)  # [10, 10]
        status = "ok" if self._average.settled else "warmup"
        coverage = float((by_place >= 1).mean())
        self._state = EvidenceState(status, value, coverage, by_place.clip(0, 1).astype(np.float32))
        return self._state

    def _hold(self, status: str) -> EvidenceState:
        return EvidenceState(status, self._state.value, self._state.coverage, self._state.map)

    def _is_frozen(self, pcc: float, t_s: float) -> bool:
        # Equal frames give equal scores to the last bit, and no two frames of a live sensor are equal.
        if pcc != self._last_pcc or t_s < self._unchanged_since_s:
            self._last_pcc, self._repeats, self._unchanged_since_s = pcc, 0, t_s
        self._repeats += 1
        return self._repeats >= FROZEN_FRAMES and t_s - self._unchanged_since_s >= FROZEN_AFTER_S


def figures(pccs: NDArray[np.float64], maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """What is averaged over time: PCC [N] as Fisher's z and maps [N, M, 10, 10], as one array [N, 1 + M·100].

    Fisher's z, artanh of a correlation, spreads the same near 1 as in the middle.
    """
    z = np.arctanh(pccs.clip(-PCC_MAX, PCC_MAX))
    return np.concatenate([z[:, None], maps.reshape(len(maps), -1)], axis=1, dtype=np.float64)


def deviation(
    value: NDArray[np.float64], low: float, centre: float, high: float
) -> NDArray[np.float64]:  # arrays of one shape, or numbers
    """How far a value has moved from the centre towards its limit: 0 there, 1 at the limit, on either side."""
    return np.maximum((centre - value) / (centre - low), (value - centre) / (high - centre))
