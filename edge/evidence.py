"""Gathers scores over time into evidence that the lens is obscured: 0 is clear, 1 is the alarm limit."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .memory import PLACES, MemoryClock, Reference
from .scorer import FrameScore

FROZEN_AFTER_S = 0.5
FROZEN_FRAMES = 10  # healthy cameras repeat a frame up to three times
STILL_MOTION = 1.5 / 255  # less change than this within the short span: sensor noise, the car stands
SCORE_MAX = 2.5  # of a limit: what one frame can say at most, so that a wiped lens clears within seconds
WORST_PLACES = 8  # of four hundred
PCC_MAX = 0.999999  # a score beyond is taken as this: Fisher's z of 1 is infinite


@dataclass(frozen=True)
class Limits:
    """Between which values a clear lens stays on one vehicle, and where its middle lies."""

    pcc: tuple[float, float, float]  # low, centre, high; −1…1, a limit of −1 or 1 is never reached
    centre: NDArray[np.float32]  # [20, 20] ordinary log odds of each place
    limit: float  # of the eight worst places' mean rise above ordinary, > 0, log odds; ∞ leaves the places out
    averaging_s: float  # time constant of the averages that all this holds for; 0 takes single frames
    reference: Reference  # what the clean drive looked like, for the network


@dataclass(frozen=True)
class EvidenceState:
    """What has been gathered up to a frame."""

    status: str  # that of the score, or warmup, uncalibrated, still, frozen
    value: float = 0.0  # 0…2.5; 1.0 is the alarm limit
    coverage: float = 0.0  # 0…1, share of the places held obscured
    map: NDArray[np.float32] | None = None  # [20, 20], 0…1, where


class TimeAverage:
    """An exponential average over time, of frames that come at any rate; 0 takes single frames."""

    def __init__(self, averaging_s: float) -> None:
        self._clock = MemoryClock((averaging_s,))
        self.restart()

    def restart(self) -> None:
        """Forget everything."""
        self._clock.restart()
        self._mean: NDArray[np.float64] | float = 0.0

    @property
    def settled(self) -> bool:
        """Whether a whole time constant has been seen."""
        return self._clock.settled

    def update(self, value: NDArray[np.float64], t_s: float) -> NDArray[np.float64]:
        """Add a value seen at `t_s` seconds and return the average. Starts afresh after a gap or a step back."""
        (weight,) = self._clock.weights(t_s)
        if self._clock.frames == 1:
            self._mean = 0.0
        self._mean = self._mean + weight * (value - self._mean)
        return self._mean


class Evidence:
    """Turns scores into evidence against the limits of one vehicle; without limits it says `uncalibrated`."""

    def __init__(self, limits: Limits | None) -> None:
        self.limits = limits
        self._average = TimeAverage(limits.averaging_s if limits else 0.0)
        if limits is not None:
            low, centre, high = self._turning_points = _turning_points(limits)
            by_pcc = (centre[:1] - SCORE_MAX * (centre[:1] - low[:1]), centre[:1] + SCORE_MAX * (high - centre)[:1])
            by_place = (centre[1:] - limits.limit, centre[1:] + SCORE_MAX * limits.limit)
            self._bounds = (np.append(by_pcc[0], by_place[0]), np.append(by_pcc[1], by_place[1]))
        self.restart()

    def restart(self) -> None:
        """Forget what was gathered: another drive begins."""
        self._average.restart()
        self._last_pcc: float | None = None
        self._repeats = 0
        self._unchanged_since_s = 0.0
        self._state = EvidenceState("warmup")

    def update(self, score: FrameScore, t_s: float) -> EvidenceState:
        """Add the score of the frame seen at `t_s` seconds. A frame that tells nothing leaves the evidence as it is."""
        if score.pcc is None or score.logits is None:
            return self._hold(score.status)
        if self._is_frozen(score.pcc, t_s):
            return self._hold("frozen")
        if self.limits is None:
            return EvidenceState("uncalibrated")
        if math.isfinite(self.limits.limit):  # the places are judged by what moves behind the lens
            if not score.settled:
                return self._hold("warmup")
            if score.motion < STILL_MOTION:
                return self._hold("still")
        seen = figures(np.array([score.pcc]), score.logits[None])[0]  # [401]
        moved = deviation(self._average.update(seen.clip(*self._bounds), t_s), *self._turning_points)
        by_pcc, by_place = moved[0], moved[1:]
        self._state = EvidenceState(
            status="ok" if self._average.settled else "warmup",
            value=max(float(max(by_pcc, worst_mean(by_place))), 0.0),
            coverage=float((by_place >= 1).mean()),
            map=by_place.clip(0, 1).astype(np.float32).reshape(PLACES, PLACES),
        )
        return self._state

    def _hold(self, status: str) -> EvidenceState:
        return EvidenceState(status, self._state.value, self._state.coverage, self._state.map)

    def _is_frozen(self, pcc: float, t_s: float) -> bool:
        # Equal frames give equal scores to the last bit, and no two frames of a live sensor are equal.
        if pcc != self._last_pcc or t_s < self._unchanged_since_s:
            self._last_pcc, self._repeats, self._unchanged_since_s = pcc, 0, t_s
        self._repeats += 1
        return self._repeats >= FROZEN_FRAMES and t_s - self._unchanged_since_s >= FROZEN_AFTER_S


def fisher_z(pccs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The PCC [N] as it is averaged over time: artanh of a correlation spreads the same near 1 as in the middle."""
    return np.arctanh(pccs.clip(-PCC_MAX, PCC_MAX))


def figures(pccs: NDArray[np.float64], logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """What is averaged over time: PCC [N] as Fisher's z, and the log odds [N, 20, 20] of the places; [N, 401]."""
    return np.concatenate([fisher_z(pccs)[:, None], logits.reshape(len(logits), -1)], axis=1, dtype=np.float64)


def _turning_points(limits: Limits) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Where the deviation of every figure is 1, 0 and 1: low, centre and high, [401] each."""
    with np.errstate(divide="ignore"):  # artanh(±1) = ±∞: a limit that is never reached
        z = np.arctanh(np.array(limits.pcc, np.float64))
    centre = limits.centre.ravel().astype(np.float64)
    low, high = np.full_like(centre, -np.inf), centre + limits.limit  # fewer odds than ordinary are no fault
    return np.append(z[0], low), np.append(z[1], centre), np.append(z[2], high)


def deviation(
    value: NDArray[np.float64], low: NDArray[np.float64], centre: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far values have moved from the centre towards a limit: 0 there, 1 at the limit, on either side."""
    return np.maximum((centre - value) / (centre - low), (value - centre) / (high - centre))


def worst_mean(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the eight largest of the last axis: local, and yet no single place can raise an alarm."""
    return np.partition(deviations, -WORST_PLACES, axis=-1)[..., -WORST_PLACES:].mean(-1)
