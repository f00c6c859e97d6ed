"""Gathers scores over time into evidence that the lens is obscured: 1 is the alarm threshold, 0 its baseline."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .driving import DrivingClock
from .ema import ExponentialAverage
from .graph import GRID_SIDE
from .moving_median import MovingMedian
from .reference import Reference
from .scorer import NO_CRAWL, FrameScore

FROZEN_AFTER_S = 0.5
FROZEN_FRAMES = 10  # healthy cameras repeat a frame up to three times
SCORE_MAX = 2.5  # of a threshold: what one frame can say at most, so that a wiped lens clears within seconds
AVERAGING_S = 0.3  # of the fast filter, unless a calibration sets another; the network itself averages over seconds
WORST_CELLS = 8  # of four hundred
SLOW_RISE_S, SLOW_FALL_S = 2.0, 0.5  # time constants of the slow filter, up and down
PCC_MAX = 0.999999  # a PCC beyond is taken as this: Fisher's z of 1 is infinite


@dataclass(frozen=True, eq=False)
class Thresholds:
    """The range in which the scores of a clear lens stay on one vehicle."""

    pcc: tuple[float, float, float]  # low, median, high; −1…1, a threshold of −1 or 1 is never reached
    baseline: NDArray[np.float32]  # [2, 20, 20] log odds that a cell hardly exceeds on a clean drive, fast and slow
    excess: tuple[float, float]  # > 0, log odds: mean excess of the worst cells, fast and slow; ∞ switches one off
    averaging_s: float  # time constant of the PCC's filter and of the fast one; 0 takes single frames
    reference: Reference  # what the clean drive looked like, for the network
    crawl_below: tuple[float, float] = NO_CRAWL  # motion, and share of the contrast: less is a crawl, see `FrameScore`
    median_s: float = 0.0  # window of a median filter of the PCC, in place of its average; 0: none

    @property
    def judges_cells(self) -> bool:
        """Whether the cells have finite thresholds, so that the car must be moving."""
        return math.isfinite(min(self.excess))


@dataclass(frozen=True, eq=False)
class EvidenceState:
    """What has been gathered up to a frame."""

    status: str  # that of the score, or warmup, uncalibrated, still, frozen
    value: float = 0.0  # −2.5…2.5; 1 is the alarm threshold, 0 what a clean drive hardly exceeds
    coverage: float = 0.0  # 0…1, share of the cells held obscured
    map: NDArray[np.float32] | None = None  # [20, 20], 0…1, where


def uncalibrated_thresholds(excess: tuple[float, float], reference: Reference) -> Thresholds:
    """Return thresholds for a vehicle without a calibration: log odds, fast and slow, that no clean lens should reach.

    The same for every cell; the PCC has none.
    """
    return Thresholds((-1.0, 0.0, 1.0), np.zeros((2, GRID_SIDE, GRID_SIDE), np.float32), excess, AVERAGING_S, reference)


def cell_filters(averaging_s: float) -> ExponentialAverage:
    """Make the fast and the slow filter of the cells.

    The slow filter needs two seconds to rise, so a lasting fault raises it and a passing bare wall does not.
    """
    return ExponentialAverage((averaging_s, SLOW_RISE_S), (averaging_s, SLOW_FALL_S))


class Evidence:
    """Turns scores into evidence against the thresholds of one vehicle; without any it says `uncalibrated`."""

    def __init__(self, thresholds: Thresholds | None) -> None:
        self.thresholds = thresholds
        averaging_s = thresholds.averaging_s if thresholds else 0.0
        self._pcc, self._cells = ExponentialAverage((averaging_s,)), cell_filters(averaging_s)
        self._pcc_median = MovingMedian(thresholds.median_s) if thresholds and thresholds.median_s else None
        self._clock = DrivingClock()
        if thresholds is not None:
            with np.errstate(divide="ignore"):  # artanh(±1) = ±∞: a threshold that is never reached
                self._z = np.arctanh(np.array(thresholds.pcc, np.float64)).tolist()
            self._baseline = thresholds.baseline.reshape(2, -1).astype(np.float64)  # [2, 400]
            self._threshold = np.array(thresholds.excess, np.float64)[:, None]  # [2, 1]
            self._excess_max = SCORE_MAX * self._threshold
        self.restart()

    def restart(self) -> None:
        """Forget what was gathered: another drive begins."""
        self._pcc.restart()
        if self._pcc_median is not None:
            self._pcc_median.restart()
        self._cells.restart()
        self._clock.restart()
        self._last_pcc: float | None = None
        self._repeats = 0
        self._unchanged_since_s = 0.0
        self._state = EvidenceState("warmup")
        self._cells_state: EvidenceState | None = None  # None until cells have been scored

    def update(self, score: FrameScore, t_s: float) -> EvidenceState:
        """Add the score of the frame seen at `t_s` seconds. An uninformative frame leaves the evidence as it is."""
        driving_s = self._clock.update(t_s, stationary=score.is_stationary)
        if score.pcc is None:
            return self._hold(score.status)
        if self._is_frozen(score.pcc, t_s):
            return self._hold("frozen")
        if self.thresholds is None:
            return EvidenceState("uncalibrated")
        if self.thresholds.judges_cells:
            if not score.warmed_up:
                self._cells.restart()  # else the first frame after it would stand for all of the time in between
                self._cells_state = None
                return self._hold("warmup")
            if score.is_stationary:
                return self._hold("still")
        pcc_evidence = self._pcc_evidence(score.pcc, driving_s)
        if score.logits is not None:
            self._cells_state = self._judge_cells(score.logits, driving_s)
        if (cells := self._cells_state) is None:
            return self._hold("warmup")
        self._state = EvidenceState(cells.status, max(pcc_evidence, cells.value), cells.coverage, cells.map)
        return self._state

    def _judge_cells(self, logits: NDArray[np.float32], driving_s: float) -> EvidenceState:
        """Return the evidence of the cells alone, which stands until the next frame whose cells were scored."""
        filtered, warmed_up = self._filtered_excess(logits, driving_s)
        worst_filter = filtered.max(0)
        return EvidenceState(
            status="ok" if warmed_up else "warmup",
            value=float(mean_of_worst(filtered).max()),
            # A plain float: numpy 2 on Python 3.10 has its own.
            coverage=float(np.count_nonzero(worst_filter >= 1) / worst_filter.size),
            # Twice as fast as `clip`, which is written in Python.
            map=np.minimum(np.maximum(worst_filter, 0), 1).astype(np.float32).reshape(GRID_SIDE, GRID_SIDE),
        )

    def _pcc_evidence(self, pcc: float, driving_s: float) -> float:
        """Return how far the averaged PCC has moved from its median, 1.0 at either threshold; −∞ without thresholds."""
        low, median, high = self._z
        if math.isinf(low) and math.isinf(high):
            return -math.inf
        if self._pcc_median is not None:
            pcc = self._pcc_median.update(pcc, driving_s)
        z = min(max(fisher_z(pcc), median - SCORE_MAX * (median - low)), median + SCORE_MAX * (high - median))
        mean = float(self._pcc.update(z, driving_s)[0, 0])
        return max((median - mean) / (median - low), (mean - median) / (high - median))

    def _filtered_excess(self, logits: NDArray[np.float32], driving_s: float) -> tuple[NDArray[np.float64], bool]:
        """Return the filtered excess over the baseline, 1.0 at the threshold, and whether the fast filter is warmed up.

        The excess is [2, 400], of the fast filter and the slow one, or [1, 400] until the slow one has warmed up.
        """
        excess = np.minimum(np.maximum(logits.ravel() - self._baseline, -self._excess_max), self._excess_max)
        filtered = self._cells.update(excess, driving_s) / self._threshold
        fast, slow = self._cells.warmed_up
        return (filtered if slow else filtered[:1]), fast

    def _hold(self, status: str) -> EvidenceState:
        return EvidenceState(status, self._state.value, self._state.coverage, self._state.map)

    def _is_frozen(self, pcc: float, t_s: float) -> bool:
        # Equal frames give equal scores to the last bit, and no two frames of a live sensor are equal.
        if pcc != self._last_pcc or t_s < self._unchanged_since_s:
            self._last_pcc, self._repeats, self._unchanged_since_s = pcc, 0, t_s
        self._repeats += 1
        return self._repeats >= FROZEN_FRAMES and t_s - self._unchanged_since_s >= FROZEN_AFTER_S


def fisher_z(pcc: float) -> float:
    """Transform a PCC, −1…1, for averaging: artanh gives a correlation the same spread near 1 as near 0."""
    return math.atanh(min(max(pcc, -PCC_MAX), PCC_MAX))


def mean_of_worst(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average the eight largest values of the last axis: few enough to be local, too many for one cell to decide."""
    return np.partition(cells, -WORST_CELLS, axis=-1)[..., -WORST_CELLS:].mean(-1)
