"""Scorer, evidence, drift and alarm in a row: the same on the car and over a recorded drive."""

from dataclasses import dataclass, replace
from typing import Any

from .alarm import Alarm, AlarmState
from .drift import Drift
from .evidence import Evidence, EvidenceState, Thresholds, uncalibrated_thresholds
from .reference import Reference
from .scorer import NO_CRAWL, FrameScore, Scorer

# The running means take in every frame; the network looks at them five times a second, which finds the same faults as
# ten times. A little less than a fifth of a second, as no camera keeps its rate exactly.
CELLS_EVERY_S = 0.175


@dataclass(frozen=True)
class Reading:
    """All that is known after a frame."""

    t_s: float
    score: FrameScore
    evidence: EvidenceState
    alarm: AlarmState


class Monitor:
    """Judges the frames of one vehicle. Frames and their times come in; nothing else does.

    Only `set_thresholds` and `set_reference` change its thresholds and its reference.
    """

    def __init__(self, scorer: Scorer, thresholds: Thresholds | None, next_event_id: int = 1) -> None:
        self.scorer = scorer
        self.alarm = Alarm(next_event_id)
        self._last = EvidenceState("warmup")
        self.set_thresholds(thresholds)

    def set_thresholds(self, thresholds: Thresholds | None, *, provisional: bool = False) -> None:
        """Judge by these thresholds from the next frame on. An open event goes on until they clear it.

        With None, those of the bundle hold, if it has any. On a clear lens the status is then `uncalibrated`, as it is
        with thresholds that are `provisional`.
        """
        bundle = self.scorer.bundle
        self._uncalibrated = thresholds is None or provisional
        self.scorer.reference = bundle.reference if thresholds is None else thresholds.reference
        self.scorer.crawl_below = NO_CRAWL if thresholds is None else thresholds.crawl_below
        if thresholds is None and bundle.uncalibrated_excess is not None:
            self.evidence = Evidence(uncalibrated_thresholds(bundle.uncalibrated_excess, bundle.reference))
        else:
            self.evidence = Evidence(thresholds)
        # The PCC knows no reference.
        self._drift = Drift(thresholds.reference) if thresholds is not None and thresholds.judges_cells else None
        self.scorer.cells_every_s = CELLS_EVERY_S
        self._judging = True

    def set_reference(self, reference: Reference) -> None:
        """Score with another reference, for which no thresholds hold yet.

        Until `set_thresholds` the status is `calibrating`, the decision stays as it is, and the cells of every frame
        are scored.
        """
        self.scorer.reference, self.scorer.crawl_below, self.scorer.cells_every_s = reference, NO_CRAWL, 0.0
        self._judging = False

    def update(self, frame: Any, t_s: float) -> Reading:
        """Judge the frame seen at `t_s` seconds."""
        score = self.scorer.score(frame, t_s)
        evidence = self._judge(score, t_s)
        if evidence.map is None and self.alarm.obscured:
            # None was gathered since a calibration changed what is judged by: the last known is that of the open event.
            evidence = replace(self._last, status=evidence.status)
        self._last = evidence
        alarm = self.alarm.update(evidence, t_s)
        if self._uncalibrated and alarm.status == "ok":
            alarm = replace(alarm, status="uncalibrated")
        return Reading(t_s, score, evidence, alarm)

    def restart(self) -> None:
        """Forget everything but the number of the next event: another drive begins."""
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
            # The frame would fill the running means, and for seconds what moves afterwards looks unlike it.
            self.scorer.restart()
        if self._drift is None:
            return evidence
        was_drifting = self._drift.drifting
        if not self._drift.update(score, t_s, obscured=self.alarm.obscured):
            return evidence
        if not was_drifting:
            self.alarm.restart()  # what it was raised on is no fault of the lens
        return replace(evidence, status="drifting") if evidence.status == "ok" else evidence
