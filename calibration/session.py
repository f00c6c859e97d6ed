"""Calibration while driving, as a pure state machine: readings of the monitor go in, outcomes come out."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..edge.drift import SHIFT_MAX
from ..edge.driving import GAP_S, continuous_s
from ..edge.errors import InputError
from ..edge.evidence import Thresholds
from ..edge.monitor import Reading
from ..edge.reference import Reference, distribution_shift
from ..edge.scorer import FrameScore
from ..edge.status import STATUSES
from .obscured_spans import ObscuredSpans
from .phases import ReferencePhase, ThresholdPhase
from .rules import block_probability

# Seconds of driving in the reference phase and in the threshold phase. A reference of 30 s misses parts of a long lap.
# The rule needs 5 blocks of two seconds and gets 36: on a recorded drive, thresholds made in 105 s in all were
# exceeded in 5 % of the time after it, those made in 120 s never.
REFERENCE_PHASE_S, THRESHOLD_PHASE_S = 45.0, 75.0
# A faster camera is thinned to these intervals, which bounds the memory: 450 feature maps, later 2500 grids, 4 MB.
REFERENCE_INTERVAL_S, THRESHOLD_INTERVAL_S = 0.1, 0.03
IDLE_MAX_S = 90.0  # of uninformative frames, before the drive is rejected
DOUBTFUL_SHARE_MAX = 0.5  # of the reference phase
IDLE = {  # status of the uninformative frames: what happened, and what to do
    "still": ("the car stood", "calibrate while driving"),
    "frozen": ("the camera repeated its picture", "it froze: start the car's program again"),
    "dark": ("the picture was dark", "take the cap off the lens, or switch on the light"),
    "flat": ("the picture was flat", "wipe the lens"),
    "no_frame": ("the camera gave no picture", "check its cable"),
    "error": ("no picture could be scored", "see the car's log"),
    "warmup": ("the drive was interrupted again and again", "drive on without pauses"),
}


@dataclass(frozen=True, eq=False)
class UseReference:
    """The reference phase is complete: score with this reference from the next frame on."""

    reference: Reference


@dataclass(frozen=True, eq=False)
class UseThresholds:
    """Judge by these thresholds from the next frame on; None when there are none for this vehicle."""

    thresholds: Thresholds | None
    provisional: bool = False  # they rest on no calibration, so that the status stays `uncalibrated`


@dataclass(frozen=True)
class Rejected:
    """The drive cannot be used: the thresholds in force stay."""

    reason: str  # one line: what happened, and what to do


Outcome = UseReference | UseThresholds | Rejected


class CalibrationSession:
    """Makes thresholds from one drive with a wiped lens. Holds no clock, thread or file.

    The drive has two phases: after the first the session returns `UseReference`, after the second `UseThresholds`.
    It returns `Rejected` as soon as the drive cannot be used, and None for all other frames. The caller changes the
    monitor accordingly before the next frame. Uninformative frames, such as those of a car that stands, do not count.

    Example:
        A session takes 120 s of driving and rejects a car that stands for 90 s.

        >>> from mle_uvad.edge import AlarmState, EvidenceState, FrameScore, Reading
        >>> session = CalibrationSession(false_alarms_per_hour=1.0)
        >>> standing = FrameScore("ok", 0.8, warmed_up=True, motion=0.0)
        >>> for second in range(100):
        ...     score = FrameScore("ok", 0.8 + second / 1000, warmed_up=True, motion=0.0)
        ...     reading = Reading(second, score, EvidenceState("still"), AlarmState(False, 0, 0.0, "still"))
        ...     if outcome := session.update(reading):
        ...         break
        >>> outcome
        Rejected(reason='the car stood for 90 s, at 0%; calibrate while driving')
    """

    def __init__(
        self,
        false_alarms_per_hour: float,
        *,
        previous_t_s: float = math.inf,
        was_drifting: bool = False,
        spans: ObscuredSpans | None = None,
    ) -> None:
        """Begin a drive.

        `previous_t_s` is the time of the reading before it, if there was one; `was_drifting` says whether the scene is
        known to be unlike that of the calibration in force; `spans` watches for an obscured lens. Raises InputError for
        a rate below 1e-6.
        """
        block_probability(false_alarms_per_hour)
        self.maxima = np.empty((2, 0))  # of the blocks that the thresholds rest on, [2, K] once there are any
        self.frames = 0  # informative frames so far
        self._false_alarms_per_hour = false_alarms_per_hour
        self._t_s = previous_t_s
        self._was_drifting = self._drifting = was_drifting
        self._last_pcc: float | None = None
        self._idle_s: dict[str, float] = {}  # by status
        self._reference_s = self._doubtful_s = self._threshold_s = 0.0
        self._reference_phase = ReferencePhase()
        self._threshold_phase: ThresholdPhase | None = None  # None in the reference phase
        self._kept_s = -math.inf  # time of the last frame that was added to a phase
        self._halves: _HalfMeans | None = None
        self._spans = spans or ObscuredSpans(None)
        self._ended = False

    @property
    def driving_s(self) -> float:
        """Seconds of driving that counted so far."""
        return self._reference_s + self._threshold_s

    @property
    def progress(self) -> float:
        """Fraction of the drive that is complete, 0…1."""
        return min(self.driving_s / (REFERENCE_PHASE_S + THRESHOLD_PHASE_S), 1.0)

    @property
    def in_threshold_phase(self) -> bool:
        """True once the session has returned a reference to use."""
        return self._threshold_phase is not None

    @property
    def warning(self) -> str:
        """One line if the lens looked obscured for a part of the drive, else empty."""
        return self._spans.warning

    def update(self, reading: Reading) -> Outcome | None:
        """Take the reading of one frame. The last frame of a phase takes some time, the others next to none."""
        if self._ended:
            return None
        self._spans.update(reading.score, reading.t_s)
        step_s, self._t_s = reading.t_s - self._t_s, reading.t_s
        self._drifting = is_drifting(reading.alarm.status, before=self._drifting)
        try:
            outcome = self._update(reading, step_s)
        except InputError as error:
            outcome = Rejected(str(error))
        self._ended = isinstance(outcome, UseThresholds | Rejected)
        return outcome

    def stop(self) -> Rejected | None:
        """End the drive before it is complete."""
        if self._ended:
            return None
        self._ended = True
        return Rejected(f"too short: it ended at {self.progress:.0%}; drive two or three laps")

    def _update(self, reading: Reading, step_s: float) -> Outcome | None:
        if idle := self._idle_status(reading.score):
            # A gap is no driving, but it counts as idle: a drive of nothing but gaps has to end.
            self._idle_s[idle] = self._idle_s.get(idle, 0.0) + min(max(step_s, 0.0), GAP_S)
            self._require_driving()
            return None
        self.frames += 1
        if self._threshold_phase is None:
            return self._update_reference_phase(reading, continuous_s(step_s))
        return self._update_threshold_phase(self._threshold_phase, reading, continuous_s(step_s))

    def _idle_status(self, score: FrameScore) -> str:
        """Return the key of `IDLE` that says why a frame is uninformative; empty when it is informative."""
        repeated, self._last_pcc = score.pcc is not None and score.pcc == self._last_pcc, score.pcc
        if score.pcc is None:
            return score.status
        if repeated:  # equal frames give equal scores to the last bit
            return "frozen"
        return "" if score.is_informative else "still" if score.warmed_up else "warmup"

    def _require_driving(self) -> None:
        if sum(self._idle_s.values()) >= IDLE_MAX_S:
            status = max(self._idle_s, key=lambda each: self._idle_s[each])
            what, remedy = IDLE[status]
            raise InputError(f"{what} for {self._idle_s[status]:.0f} s, at {self.progress:.0%}; {remedy}")

    def _update_reference_phase(self, reading: Reading, step_s: float) -> UseReference | None:
        self._reference_s += step_s
        self._doubtful_s += step_s * (reading.alarm.obscured or self._drifting)
        if reading.score.feature_maps is not None and self._is_due(reading.t_s, REFERENCE_INTERVAL_S):
            self._reference_phase.add(reading.score)
        if self._reference_s < REFERENCE_PHASE_S:
            return None
        # A scene known to have changed is what calibration is for; one that seems to change now may be a wet lens.
        if self._doubtful_s > DOUBTFUL_SHARE_MAX * REFERENCE_PHASE_S and not self._was_drifting:
            raise InputError(
                "by the thresholds in force, the lens is obscured; wipe the lens, or delete calibration.json if the"
                " camera was moved"
            )
        reference = self._reference_phase.reference()
        self._reference_phase = ReferencePhase()  # frees the feature maps
        self._threshold_phase, self._halves = ThresholdPhase(reference), _HalfMeans(reference)
        self._kept_s = -math.inf
        self._spans.restart()
        return UseReference(reference)

    def _update_threshold_phase(self, phase: ThresholdPhase, reading: Reading, step_s: float) -> UseThresholds | None:
        assert self._halves is not None  # made with the phase
        half = int(self._threshold_s >= THRESHOLD_PHASE_S / 2)
        self._threshold_s += step_s
        if reading.score.logits is not None and self._is_due(reading.t_s, THRESHOLD_INTERVAL_S):
            phase.add(reading.score, self._threshold_s)
            self._halves.add(reading.score, half)
        if self._threshold_s < THRESHOLD_PHASE_S:
            return None
        self._halves.require_one_scene()
        thresholds, self.maxima = phase.thresholds(self._false_alarms_per_hour)
        return UseThresholds(thresholds)

    def _is_due(self, t_s: float, interval_s: float) -> bool:
        """Return whether enough time has passed to keep another frame."""
        if t_s - self._kept_s < interval_s:
            return False
        self._kept_s = t_s
        return True


class _HalfMeans:
    """Mean feature maps of the two halves of the threshold phase, which must resemble the reference."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._sums: list[NDArray[np.float64]] = [np.zeros(()), np.zeros(())]
        self._counts = [0, 0]

    def add(self, score: FrameScore, half: int) -> None:
        assert score.feature_maps is not None  # it is informative
        self._sums[half] = self._sums[half] + score.feature_maps
        self._counts[half] += 1

    def require_one_scene(self) -> None:
        """Raise InputError when a half is as unlike the reference as in another light or another scene."""
        for total, count in zip(self._sums, self._counts, strict=True):
            if count and distribution_shift(total / count, self._reference) >= SHIFT_MAX:
                raise InputError("the drive shows two scenes: the light or the place changed; drive again in one")


def is_drifting(status: str, *, before: bool) -> bool:
    """Return whether the scene is unlike that of the calibration; without a comparison, the last answer."""
    return status == "drifting" if STATUSES[status].compared else before
