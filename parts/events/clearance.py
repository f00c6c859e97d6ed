"""Tells how an event ended: the lens was wiped, the fault faded, or it came back. Holds no clock."""

import numpy as np
from numpy.typing import NDArray

from ...edge.alarm import CLEAR_BELOW
from ...edge.driving import GAP_S
from ...edge.evidence import EvidenceState

WIPED, FADED, RETURNED = "wiped", "faded", "returned"
# From halfway between the limit and the peak to where an alarm clears. On generated drives the quick average takes
# 0.35…1.55 s after a fault is gone from one frame to the next (10 of 10), 2.6…14 s when it fades over 8…40 s (11 of
# 12); the lasting average, which falls with half a second, adds to both.
WIPED_WITHIN_S = 3.0
STAYS_CLEAR_S = 5.0  # without reaching the limit again; an event at the same places before that: it returned
SAME_PLACES = 0.5  # of the smaller of two sets of places


class ClearanceClassifier:
    """Watches the evidence from the onset of an event to beyond its end.

    Time counts only between frames that tell something: a car stands while its lens is wiped.
    """

    def __init__(self) -> None:
        self._watched_s = 0.0
        self._told_at_s: float | None = None  # when the last telling frame was
        self._peak = 1.0
        self._high_s = 0.0  # when, of what was watched, the evidence was last in the upper half of what it reached
        self._below_s: float | None = None  # when it fell well below it since

    def update(self, evidence: EvidenceState, t_s: float) -> str:
        """Take the evidence at `t_s` seconds: `wiped` or `faded` once it has stayed clear for five seconds, else ``."""
        if evidence.status != "ok":
            self._told_at_s = None
            return ""
        if self._told_at_s is not None and 0 <= t_s - self._told_at_s <= GAP_S:
            self._watched_s += t_s - self._told_at_s
        self._told_at_s = t_s
        self._peak = max(self._peak, evidence.value)
        if evidence.value >= (1 + self._peak) / 2:
            self._high_s = self._watched_s
        if evidence.value >= 1:
            self._below_s = None
        elif evidence.value < CLEAR_BELOW and self._below_s is None:
            self._below_s = self._watched_s
        if self._below_s is None or self._watched_s - self._below_s < STAYS_CLEAR_S:
            return ""
        return WIPED if self._below_s - self._high_s <= WIPED_WITHIN_S else FADED


def same_cells(one: NDArray[np.floating] | None, other: NDArray[np.floating] | None) -> bool:
    """Whether two evidence maps [h, w] in 0…1 hold the same places obscured: half of the fewer are common."""
    if one is None or other is None:
        return False
    fewer = min((one >= 1).sum(), (other >= 1).sum())
    return bool(fewer) and ((one >= 1) & (other >= 1)).sum() >= SAME_PLACES * fewer
