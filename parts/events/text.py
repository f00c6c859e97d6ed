"""Describes an event in two lines: what obscures the lens, and what to do."""

import numpy as np
from numpy.typing import NDArray

from .event import ERROR

OFF_CENTRE = 0.1  # of the side: an offset of the centroid from which a side is named
SCATTERED = 0.25  # of the side, standard deviation; 0.29 when spread evenly over the whole side
ALMOST_ALL = 0.6  # of the frame

MEANWHILE = {  # by LENS_ACTION
    "none": "the car drives on",
    "warn": "the car drives on",
    "slow": "the autopilot is slowed until then",
    "stop": "the autopilot stands until then",
}


def cause(coverage: float, heat_map: NDArray[np.floating] | None) -> str:
    """Describe where and how far the lens is obscured, from the coverage 0…1 and the evidence map [h, w] in 0…1.

    Example:
        >>> heat_map = np.zeros((20, 20), np.float32)
        >>> heat_map[:5, :5] = 1
        >>> cause(0.0625, heat_map)
        'The lens is obscured in the upper left, 6 % of the picture.'
    """
    where = place(coverage, heat_map)
    if not where:
        return "The lens is obscured."
    return f"The lens is obscured {where}, {max(round(100 * coverage), 1)} % of the picture."


def advice(level: str, action: str) -> str:
    """Say what to do, and what the car does meanwhile under LENS_ACTION `action`."""
    return f"{'Stop and wipe the lens' if level == ERROR else 'Wipe the lens'}; {MEANWHILE[action]}."


def place(coverage: float, heat_map: NDArray[np.floating] | None) -> str:
    """Say where the lens is obscured, as `in the upper left`; nothing if no cell is, as when the PCC alone judges."""
    if heat_map is None or coverage <= 0 or not (heat_map >= 1).any():
        return ""
    obscured = heat_map >= 1
    if coverage >= ALMOST_ALL:
        return "almost everywhere"
    vertical = _side(np.nonzero(obscured)[0], len(obscured), "upper", "lower")
    horizontal = _side(np.nonzero(obscured)[1], obscured.shape[1], "left", "right")
    if vertical in ("upper", "lower") and horizontal in ("left", "right"):
        return f"in the {vertical} {horizontal}"
    if vertical in ("upper", "lower"):
        return {"upper": "at the top", "lower": "at the bottom"}[vertical]
    if horizontal in ("left", "right"):
        return f"on the {horizontal}"
    return "in several places" if "scattered" in (vertical, horizontal) else "in the middle"


def _side(indices: NDArray[np.intp], size: int, low: str, high: str) -> str:
    """Return the side of an axis on which the cells lie: `low`, `high`, `middle` or `scattered`."""
    along = (indices + 0.5) / size - 0.5  # −0.5…0.5
    if along.mean() < -OFF_CENTRE:
        return low
    if along.mean() > OFF_CENTRE:
        return high
    return "scattered" if along.std() > SCATTERED else "middle"
