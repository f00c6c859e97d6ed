"""Rates the severity of an event, WARN or ERROR, with hysteresis. Holds no clock."""

from ...edge.evidence import EvidenceState
from .event import ERROR, WARN

# Either threshold is enough to rise; both must be undercut to fall. Cells are counted cautiously: a fifth of them held
# obscured means that more than a fifth of the lens is.
COVERAGE_UP, COVERAGE_DOWN = 0.2, 0.1  # of the lens
EVIDENCE_UP, EVIDENCE_DOWN = 2.0, 1.6  # 1.0 is the alarm threshold
AFTER_S = 2.0


class EventSeverity:
    """Severity of one event: WARN at first, ERROR after two severe seconds, WARN again after two mild ones.

    Severe is a coverage of a fifth of the lens or evidence of twice the threshold. Frames that carry no information
    keep the level and reset the two seconds.
    """

    def __init__(self) -> None:
        self.level = WARN
        self._changing_since_s: float | None = None

    def update(self, evidence: EvidenceState, t_s: float) -> str:
        """Take the evidence at `t_s` seconds and return the level."""
        if self.level == WARN:
            changing = evidence.coverage >= COVERAGE_UP or evidence.value >= EVIDENCE_UP
        else:
            changing = evidence.coverage < COVERAGE_DOWN and evidence.value < EVIDENCE_DOWN
        if evidence.status != "ok" or not changing:
            self._changing_since_s = None
        elif self._changing_since_s is None:
            self._changing_since_s = t_s
        elif t_s - self._changing_since_s >= AFTER_S:
            self.level = ERROR if self.level == WARN else WARN
            self._changing_since_s = None
        return self.level
