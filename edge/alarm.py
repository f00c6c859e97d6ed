"""Decides when evidence is an event: debounce and hysteresis, in seconds. Holds no clock."""

from dataclasses import dataclass

from .driving import is_gap
from .evidence import EvidenceState

RAISE_AFTER_S = 0.2
CLEAR_AFTER_S = 1.0
CLEAR_BELOW = 0.8  # of the threshold


@dataclass(frozen=True)
class AlarmState:
    """The decision up to a frame."""

    obscured: bool
    event_id: int  # of the open event; 0 when there is none
    since_s: float  # when the event was raised, on the clock of `update`; 0 when there is none
    status: str  # `obscured` during an event while frames are good; else that of the evidence


class Alarm:
    """Raises an event when the evidence stays at the threshold, clears it when it stays well below.

    Evidence without a verdict (no frame, dark, frozen, warm-up …) keeps the decision and stops both counts.
    """

    def __init__(self, next_event_id: int = 1) -> None:
        self._next_event_id = next_event_id
        self._t_s = 0.0  # of the last update
        self.restart()

    def restart(self) -> None:
        """End an open event: another drive begins."""
        self._event_id = 0
        self._since_s = 0.0
        self._contradicted_since_s: float | None = None  # since when the evidence contradicts the decision

    @property
    def obscured(self) -> bool:
        """Whether an event is open."""
        return bool(self._event_id)

    def update(self, evidence: EvidenceState, t_s: float) -> AlarmState:
        """Take the evidence at `t_s` seconds, which must not run backwards within an event."""
        step_s, self._t_s = t_s - self._t_s, t_s
        if evidence.status != "ok":
            self._contradicted_since_s = None
            return self._state(evidence.status)
        if is_gap(step_s):  # what lies before a gap says nothing of the time in between
            self._contradicted_since_s = None
        contradicts = evidence.value < CLEAR_BELOW if self._event_id else evidence.value >= 1.0
        if not contradicts:
            self._contradicted_since_s = None
        elif self._contradicted_since_s is None:
            self._contradicted_since_s = t_s
        wait_s = CLEAR_AFTER_S if self._event_id else RAISE_AFTER_S
        if self._contradicted_since_s is not None and t_s - self._contradicted_since_s >= wait_s:
            self._switch(t_s)
        return self._state("obscured" if self.obscured else "ok")

    def _switch(self, t_s: float) -> None:
        self._contradicted_since_s = None
        if self._event_id:
            self._event_id, self._since_s = 0, 0.0
        else:
            self._event_id, self._since_s = self._next_event_id, t_s
            self._next_event_id += 1

    def _state(self, status: str) -> AlarmState:
        return AlarmState(self.obscured, self._event_id, self._since_s, status)
