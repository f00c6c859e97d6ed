"""Gathers scores over time into evidence that the lens is obscured: 0 is clear, 1 is the alarm limit."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .memory import GAP_S, PLACES, MemoryClock, Reference
from .scorer import FrameScore

FROZEN_AFTER_S = 0.5
FROZEN_FRAMES = 10  # healthy cameras repeat a frame up to three times
STILL_MOTION = 1.5 / 255  # less change than this within the short span: sensor noise, the car stands
SCORE_MAX = 2.5  # of a limit: what one frame can say at most, so that a wiped lens clears within seconds
WORST_PLACES = 8  # of four hundred
LASTING_S, LASTING_FALLS_S = 2.0, 0.5  # time constants of the lasting average, up and down
PCC_MAX = 0.999999  # a score beyond is taken as this: Fisher's z of 1 is infinite


@dataclass(frozen=True)
class Limits:
    """Between which values a clear lens stays on one vehicle, and where its middle lies."""

    pcc: tuple[float, float, float]  # low, centre, high; −1…1, a limit of −1 or 1 is never reached
    # [2, 20, 20] log odds that each place's quick average, and its lasting one, hardly exceeds on the clean drive.
    ordinary: NDArray[np.float32]
    # Of the eight worst places' mean rise above ordinary, > 0, log odds, in the quick average and in the lasting one.
    # ∞ leaves an average out.
    limit: tuple[float, float]
    averaging_s: float  # time constant of the PCC's average and of the quick one; 0 takes single frames
    reference: Reference  # what the clean drive looked like, for the network

    @property
    def by_place(self) -> bool:
        """Whether the places are judged, and so what moves behind the lens."""
        return math.isfinite(min(self.limit))


@dataclass(frozen=True)
class EvidenceState:
    """What has been gathered up to a frame."""

    status: str  # that of the score, or warmup, uncalibrated, still, frozen
    value: float = 0.0  # 0…2.5; 1.0 is the alarm limit
    coverage: float = 0.0  # 0…1, share of the places held obscured
    map: NDArray[np.float32] | None = None  # [20, 20], 0…1, where


class TimeAverage:
    """Exponential averages over time, of frames that come at any rate, for each of some time constants.

    An average may fall with another time constant than it rises with: what lasts is believed slowly and forgotten
    quickly. A constant of 0 takes single frames.
    """

    def __init__(self, rising_s: tuple[float, ...], falling_s: tuple[float, ...] | None = None) -> None:
        self._rising_s = rising_s
        self._clock = MemoryClock(rising_s + (falling_s or ()))
        self.restart()

    def restart(self) -> None:
        """Forget everything."""
        self._clock.restart()
        self._mean: NDArray[np.float64] | float = 0.0

    @property
    def settled(self) -> list[bool]:
        """Of each average, whether a whole time constant of rising has been seen."""
        return [self._clock.seen_s >= rising_s for rising_s in self._rising_s]

    def update(self, value: NDArray[np.float64] | float, t_s: float) -> NDArray[np.float64]:
        """Add a value [F], or one for each average [A, F], seen at `t_s` seconds, and return the averages [A, F].

        Starts afresh after a gap or a step back.
        """
        weights = np.array(self._clock.weights(t_s)).reshape(-1, len(self._rising_s), 1)  # [1 or 2, A, 1]
        if self._clock.frames == 1:
            self._mean = 0.0
        step = value - self._mean
        share = np.where(step > 0, weights[0], weights[1]) if len(weights) > 1 else weights[0]
        self._mean = self._mean + share * step
        return self._mean


def place_averages(averaging_s: float) -> TimeAverage:
    """The quick average of the places and the lasting one.

    A fault that stays raises the lasting one and a passing bare wall does not: it takes two seconds to believe.
    """
    return TimeAverage((averaging_s, LASTING_S), (averaging_s, LASTING_FALLS_S))


def stands(score: FrameScore) -> bool:
    """Whether a frame shows a car that does not move: nothing then says what is fixed to the lens."""
    return score.settled and score.motion < STILL_MOTION


def driven(score: FrameScore, step_s: float) -> float:
    """The seconds since the frame before on a clock that stops while the car stands, and not for a gap."""
    return 0.0 if stands(score) and 0 <= step_s <= GAP_S else step_s


class Evidence:
    """Turns scores into evidence against the limits of one vehicle; without limits it says `uncalibrated`."""

    def __init__(self, limits: Limits | None) -> None:
        self.limits = limits
        averaging_s = limits.averaging_s if limits else 0.0
        self._pcc, self._places = TimeAverage((averaging_s,)), place_averages(averaging_s)
        if limits is not None:
            with np.errstate(divide="ignore"):  # artanh(±1) = ±∞: a limit that is never reached
                self._z = np.arctanh(np.array(limits.pcc, np.float64)).tolist()
            self._ordinary = limits.ordinary.reshape(2, -1).astype(np.float64)  # [2, 400]
            self._limit = np.array(limits.limit, np.float64)[:, None]  # [2, 1]
            self._most = SCORE_MAX * self._limit
        self.restart()

    def restart(self) -> None:
        """Forget what was gathered: another drive begins."""
        self._pcc.restart()
        self._places.restart()
        self._t_s = self._driven_s = 0.0  # of the last frame, and on a clock that stops while the car stands
        self._last_pcc: float | None = None
        self._repeats = 0
        self._unchanged_since_s = 0.0
        self._state = EvidenceState("warmup")

    def update(self, score: FrameScore, t_s: float) -> EvidenceState:
        """Add the score of the frame seen at `t_s` seconds. A frame that tells nothing leaves the evidence as it is."""
        step_s, self._t_s = t_s - self._t_s, t_s
        self._driven_s += driven(score, step_s)
        if score.pcc is None or score.logits is None:
            return self._hold(score.status)
        if self._is_frozen(score.pcc, t_s):
            return self._hold("frozen")
        if self.limits is None:
            return EvidenceState("uncalibrated")
        if self.limits.by_place:
            if not score.settled:
                return self._hold("warmup")
            if stands(score):
                return self._hold("still")
        by_pcc = self._by_pcc(score.pcc)
        rises, settled = self._by_place(score.logits)
        by_place = rises.max(0)
        self._state = EvidenceState(
            status="ok" if settled else "warmup",
            value=max(by_pcc, float(worst_mean(rises).max()), 0.0),
            coverage=float(np.count_nonzero(by_place >= 1) / by_place.size),  # numpy 2 on Python 3.10 has its own float
            # Twice as fast as `clip`, which is written in Python.
            map=np.minimum(np.maximum(by_place, 0), 1).astype(np.float32).reshape(PLACES, PLACES),
        )
        return self._state

    def _by_pcc(self, pcc: float) -> float:
        """How far the averaged PCC has moved from its centre: 1 at either limit."""
        low, centre, high = self._z
        z = min(max(fisher_z(pcc), centre - SCORE_MAX * (centre - low)), centre + SCORE_MAX * (high - centre))
        mean = float(self._pcc.update(z, self._driven_s)[0, 0])
        return max((centre - mean) / (centre - low), (mean - centre) / (high - centre))

    def _by_place(self, logits: NDArray[np.float32]) -> tuple[NDArray[np.float64], bool]:
        """How far the places have risen in each average that has settled, [A, 400], 1 at its limit; whether one has."""
        rise = np.minimum(np.maximum(logits.ravel() - self._ordinary, -self._most), self._most)  # [2, 400]
        rises = self._places.update(rise, self._driven_s) / self._limit
        quick, lasting = self._places.settled
        return (rises if lasting else rises[:1]), quick

    def _hold(self, status: str) -> EvidenceState:
        return EvidenceState(status, self._state.value, self._state.coverage, self._state.map)

    def _is_frozen(self, pcc: float, t_s: float) -> bool:
        # Equal frames give equal scores to the last bit, and no two frames of a live sensor are equal.
        if pcc != self._last_pcc or t_s < self._unchanged_since_s:
            self._last_pcc, self._repeats, self._unchanged_since_s = pcc, 0, t_s
        self._repeats += 1
        return self._repeats >= FROZEN_FRAMES and t_s - self._unchanged_since_s >= FROZEN_AFTER_S


def fisher_z(pcc: float) -> float:
    """The PCC as it is averaged over time: artanh of a correlation spreads the same near 1 as in the middle."""
    return math.atanh(min(max(pcc, -PCC_MAX), PCC_MAX))


def worst_mean(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the eight largest of the last axis: local, and yet no single place can raise an alarm."""
    return np.partition(deviations, -WORST_PLACES, axis=-1)[..., -WORST_PLACES:].mean(-1)
