"""Scorer, evidence and alarm in a row: the same on the car and over a tub."""

from dataclasses import dataclass
from typing import Any

from .alarm import Alarm, AlarmState
from .evidence import Evidence, EvidenceState, Limits
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
        if limits is not None:
            scorer.reference = limits.reference
        self.evidence = Evidence(limits)
        self.alarm = Alarm(next_event_id)

    def watch(self, frame: Any, t_s: float) -> Reading:
        """Judge the frame seen at `t_s` seconds."""
        score = self.scorer.score(frame, t_s)
        evidence = self.evidence.update(score, t_s)
        return Reading(t_s, score, evidence, self.alarm.update(evidence, t_s))

    def restart(self) -> None:
        """Another drive begins: nothing carries over but the number of the next event."""
        self.scorer.restart()
        self.evidence.restart()
        self.alarm.restart()
