"""Provisional thresholds: what a car that nobody calibrated goes by after its first minutes of clear driving."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..edge.bundle import Bundle
from ..edge.evidence import mean_of_worst, uncalibrated_thresholds
from ..edge.graph import GRID_SIDE
from ..edge.monitor import Monitor, Reading
from ..edge.scorer import FrameScore
from .obscured_spans import ObscuredSpans, careful_thresholds
from .session import CalibrationSession, Rejected, UseReference, UseThresholds

# Log odds, mean over the reference phase: a cell that is more likely obscured than not all the time shows a fault that
# stays. What a clean lens passes comes and goes.
STANDING_ODDS_MAX = 0.0


class ProvisionalThresholds:
    """Makes thresholds from the drive itself, for a car without a calibration. Holds no clock, thread or file.

    Nobody promised that the lens was clean. So only a drive counts on which it never looks obscured by 0.8 of the
    thresholds that the bundle has for any car, and no part of it does so weakly all along; else the next moment that
    looks clear begins another. A bundle of one car has no such thresholds, and gets no provisional ones. They hold
    until the scene changes or the program ends.
    """

    def __init__(self, bundle: Bundle, false_alarms_per_hour: float) -> None:
        self.in_force = False
        self._changed = False  # whether anything was returned to judge by
        self._bundle = bundle
        self._false_alarms_per_hour = false_alarms_per_hour
        self._session: CalibrationSession | None = None
        self._standing = _StandingOdds()
        self._t_s = math.inf  # of the last reading

    def update(self, reading: Reading) -> UseThresholds | None:
        """Take the reading of a frame. Return what to judge by from the next one on, if it changes."""
        previous_t_s, self._t_s = self._t_s, reading.t_s
        excess, alarm = self._bundle.uncalibrated_excess, reading.alarm
        if alarm.status == "drifting" or (alarm.obscured and not self.in_force):
            return self.reset()
        if excess is None or self.in_force:
            return None
        if self._session is None:
            if alarm.status != "uncalibrated":
                return None
            self._session, self._standing = self._begin(previous_t_s), _StandingOdds()
        if not self._session.in_threshold_phase:
            self._standing.add(reading.score)
        outcome = self._session.update(reading)
        if self._session.warning or isinstance(outcome, Rejected):
            return self.reset()
        if isinstance(outcome, UseReference):
            if self._standing.log_odds > STANDING_ODDS_MAX:
                return self.reset()
            self._changed = True  # the thresholds for any car hold with this reference, too
            return UseThresholds(uncalibrated_thresholds(excess, outcome.reference), provisional=True)
        if isinstance(outcome, UseThresholds):
            self.in_force = True
            return replace(outcome, provisional=True)
        return None

    def reset(self) -> UseThresholds | None:
        """Begin again. Return what to judge by from the next frame on, if it changes."""
        changed, self._changed = self._changed, False
        self._session, self.in_force = None, False
        return UseThresholds(None) if changed else None

    def _begin(self, previous_t_s: float) -> CalibrationSession:
        spans = ObscuredSpans(careful_thresholds(self._bundle))
        return CalibrationSession(self._false_alarms_per_hour, previous_t_s=previous_t_s, spans=spans)


class _StandingOdds:
    """The log odds that a part of the lens has on average over a drive."""

    def __init__(self) -> None:
        self._sum = np.zeros((GRID_SIDE, GRID_SIDE))
        self._count = 0

    def add(self, score: FrameScore) -> None:
        if score.is_informative and score.logits is not None:
            self._sum += score.logits
            self._count += 1

    @property
    def log_odds(self) -> float:
        """The mean of the eight worst cells; −∞ without a frame."""
        return float(mean_of_worst(self._sum.ravel() / self._count)) if self._count else -math.inf


class UncalibratedMonitor:
    """A monitor of a car without a calibration that makes its provisional thresholds, as the part does."""

    def __init__(self, monitor: Monitor, false_alarms_per_hour: float = 1.0) -> None:
        self._monitor = monitor
        self._provisional = ProvisionalThresholds(monitor.scorer.bundle, false_alarms_per_hour)

    def update(self, frame: Any, t_s: float) -> Reading:
        """Judge the frame seen at `t_s` seconds."""
        reading = self._monitor.update(frame, t_s)
        if outcome := self._provisional.update(reading):
            self._monitor.set_thresholds(outcome.thresholds, provisional=outcome.provisional)
        return reading

    def restart(self) -> None:
        """Forget everything but the number of the next event: another drive begins."""
        if outcome := self._provisional.reset():
            self._monitor.set_thresholds(outcome.thresholds)
        self._monitor.restart()
