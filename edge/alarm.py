"""Decides when evidence is an event: debounce and hysteresis, in seconds. Holds no clock."""

from dataclasses import dataclass

from .evidence import EvidenceState
from .memory import GAP_S

RAISE_AFTER_S = 0.2
CLEAR_AFTER_S = 1.0
CLEAR_BELOW = 0.8  # of the limit


@dataclass(frozen=True)
class AlarmState:
    """The decision up to a frame."""

    obscured: bool
    event_id: int  # of the event that lasts; 0 when there is none
    since_s: float  # when the event was raised, on the clock of `update`; 0 when there is none
    status: str  # `obscured` during an event while frames are good; else that of the evidence


class Alarm:
    """Raises an event when the evidence stays at the limit, clears it when it stays well below.

    Evidence that says nothing (no frame, dark, frozen, warm-up …) keeps the decision and stops both counts.
    """

    def __init__(
        self,
        next_event_id: int = 1,
        *,
        raise_after_s: float = RAISE_AFTER_S,
        clear_after_s: float = CLEAR_AFTER_S,
        clear_below: float = CLEAR_BELOW,
    ) -> None:
        self.raise_after_s = raise_after_s
        self.clear_after_s = clear_after_s
        self.clear_below = clear_below
        self._next_event_id = next_event_id
        self._t_s = 0.0  # of the last update
        self.restart()

    def restart(self) -> None:
        """Another drive begins: an event that lasts ends here."""
        self._event_id = 0
        self._since_s = 0.0
        self._turning_since_s: float | None = None  # since when the evidence contradicts the decision

    @property
    def obscured(self) -> bool:
        """Whether an event lasts."""
        return bool(self._event_id)

    def update(self, evidence: EvidenceState, t_s: float) -> AlarmState:
        """Take the evidence at `t_s` seconds, which must not run backwards within an event."""
        step_s, self._t_s = t_s - self._t_s, t_s
        if evidence.status != "ok":
            self._turning_since_s = None
            return self._answer(evidence.status)
        if not 0 <= step_s <= GAP_S:  # what lies before a gap says nothing of the time in between
            self._turning_since_s = None
        turning = evidence.value < self.clear_below if self._event_id else evidence.value >= 1.0
        if not turning:
            self._turning_since_s = None
        elif self._turning_since_s is None:
            self._turning_since_s = t_s
        wait_s = self.clear_after_s if self._event_id else self.raise_after_s
        if self._turning_since_s is not None and t_s - self._turning_since_s >= wait_s:
            self._turn(t_s)
        return self._answer("obscured" if self.obscured else "ok")

    def _turn(self, t_s: float) -> None:
        self._turning_since_s = None
        if self._event_id:
            self._event_id, self._since_s = 0, 0.0
        else:
            self._event_id, self._since_s = self._next_event_id, t_s
            self._next_event_id += 1

    def _answer(self, status: str) -> AlarmState:
        return AlarmState(self.obscured, self._event_id, self._since_s, status)
