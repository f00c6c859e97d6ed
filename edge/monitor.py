"""Scorer, evidence, drift and alarm in a row: the same on the car and over a tub."""

from dataclasses import dataclass, replace
from typing import Any

from .alarm import Alarm, AlarmState
from .drift import Drift
from .evidence import Evidence, EvidenceState, Limits
from .memory import Reference
from .scorer import FrameScore, Scorer


@dataclass(frozen=True)
class Reading:
    """All that is known after a frame."""

    t_s: float
    score: FrameScore
    evidence: EvidenceState
    alarm: AlarmState


class Monitor:
    """Watches one vehicle. Frames and their times come in; nothing else does."""

    def __init__(self, scorer: Scorer, limits: Limits | None, next_event_id: int = 1) -> None:
        self.scorer = scorer
        self.alarm = Alarm(next_event_id)
        self.adopt(limits)

    def adopt(self, limits: Limits | None) -> None:
        """Judge by these limits from the next frame on. An event that lasts goes on until they clear it."""
        self.scorer.reference = self.scorer.bundle.reference if limits is None else limits.reference
        self.evidence = Evidence(limits)
        # The PCC knows no reference.
        self._drift = Drift(limits.reference) if limits is not None and limits.by_place else None
        self._judging = True

    def listen(self, reference: Reference) -> None:
        """Score in the light of another reference. No limits hold in it: the status is `calibrating`, the decision
        stays as it is, until `adopt`.
        """
        self.scorer.reference = reference
        self._judging = False

    def watch(self, frame: Any, t_s: float) -> Reading:
        """Judge the frame seen at `t_s` seconds."""
        score = self.scorer.score(frame, t_s)
        evidence = self._judge(score, t_s)
        return Reading(t_s, score, evidence, self.alarm.update(evidence, t_s))

    def restart(self) -> None:
        """Another drive begins: nothing carries over but the number of the next event."""
        self.scorer.restart()
        self.evidence.restart()
        self.alarm.restart()
        if self._drift is not None:
            self._drift.restart()

    def _judge(self, score: FrameScore, t_s: float) -> EvidenceState:
        if not self._judging:
            return EvidenceState("calibrating" if score.status == "ok" else score.status)
        evidence = self.evidence.update(score, t_s)
        if evidence.status == "frozen":
            self.scorer.restart()  # the picture would stay in the memory, and what moves on looks unlike it for seconds
        if self._drift is None:
            return evidence
        before = self._drift.drifting
        if not self._drift.update(score, t_s, obscured=self.alarm.obscured):
            return evidence
        if not before:
            self.alarm.restart()  # what it was raised on is no fault of the lens
        return replace(evidence, status="drifting") if evidence.status == "ok" else evidence
