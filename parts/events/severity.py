"""How grave an event is, WARN or ERROR, with hysteresis. Holds no clock."""

from ...edge.evidence import EvidenceState
from .event import ERROR, WARN

# Up is reached by either, down is below both: places are counted with care, a fifth held is more than that on the lens.
COVERAGE_UP, COVERAGE_DOWN = 0.2, 0.1  # of the lens
EVIDENCE_UP, EVIDENCE_DOWN = 2.0, 1.6  # of the limit
AFTER_S = 2.0


class EventSeverity:
    """An event begins as WARN, becomes ERROR when it has been grave for two seconds, WARN again when it has not.

    Grave is a fifth of the lens held obscured, or evidence of twice the limit. Frames that tell nothing keep the
    level and stop the count.
    """

    def __init__(self) -> None:
        self.level = WARN
        self._turning_since_s: float | None = None

    def update(self, evidence: EvidenceState, t_s: float) -> str:
        """Take the evidence at `t_s` seconds and return the level."""
        if self.level == WARN:
            turning = evidence.coverage >= COVERAGE_UP or evidence.value >= EVIDENCE_UP
        else:
            turning = evidence.coverage < COVERAGE_DOWN and evidence.value < EVIDENCE_DOWN
        if evidence.status != "ok" or not turning:
            self._turning_since_s = None
        elif self._turning_since_s is None:
            self._turning_since_s = t_s
        elif t_s - self._turning_since_s >= AFTER_S:
            self.level = ERROR if self.level == WARN else WARN
            self._turning_since_s = None
        return self.level
