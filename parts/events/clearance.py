"""Classifies how an event ended: the lens was wiped, the fault faded, or it came back. Holds no clock."""

import numpy as np
from numpy.typing import NDArray

from ...edge.alarm import CLEAR_BELOW
from ...edge.driving import continuous_s
from ...edge.evidence import EvidenceState

WIPED, FADED, RETURNED = "wiped", "faded", "returned"
# For the fall from halfway between the threshold and the peak to where an alarm clears. On generated drives the fast
# filter takes 0.35…1.55 s when a fault is gone from one frame to the next (10 of 10), and 2.6…14 s when it fades over
# 8…40 s (11 of 12). The slow filter, whose time constant downwards is half a second, adds to both.
WIPED_WITHIN_S = 3.0
STAYS_CLEAR_S = 5.0  # below the threshold; an event in the same cells before that is the fault that returned
SAME_CELLS = 0.5  # of the smaller of two sets of cells


class ClearanceClassifier:
    """Observes the evidence from the onset of an event until it has stayed clear for five seconds.

    Only time between informative frames counts, because a car stands still while its lens is wiped.
    """

    def __init__(self) -> None:
        self._observed_s = 0.0
        self._informative_at_s: float | None = None  # time of the last frame, if that was informative
        self._peak = 1.0
        self._high_s = 0.0  # observed time at which the evidence was last in the upper half of its range
        self._below_s: float | None = None  # observed time at which it then fell to where an alarm clears

    def update(self, evidence: EvidenceState, t_s: float) -> str:
        """Take the evidence at `t_s` seconds; return `wiped` or `faded` once it has stayed clear, else an empty str."""
        if evidence.status != "ok":
            self._informative_at_s = None
            return ""
        if self._informative_at_s is not None:
            self._observed_s += continuous_s(t_s - self._informative_at_s)
        self._informative_at_s = t_s
        self._peak = max(self._peak, evidence.value)
        if evidence.value >= (1 + self._peak) / 2:
            self._high_s = self._observed_s
        if evidence.value >= 1:
            self._below_s = None
        elif evidence.value < CLEAR_BELOW and self._below_s is None:
            self._below_s = self._observed_s
        if self._below_s is None or self._observed_s - self._below_s < STAYS_CLEAR_S:
            return ""
        return WIPED if self._below_s - self._high_s <= WIPED_WITHIN_S else FADED


def same_cells(one: NDArray[np.floating] | None, other: NDArray[np.floating] | None) -> bool:
    """Return whether two evidence maps [h, w] in 0…1 share at least half of the obscured cells of the smaller one."""
    if one is None or other is None:
        return False
    fewer = min((one >= 1).sum(), (other >= 1).sum())
    return bool(fewer) and ((one >= 1) & (other >= 1)).sum() >= SAME_CELLS * fewer
