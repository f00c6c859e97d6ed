"""Says in two lines what is the matter with the lens and what to do."""

import numpy as np
from numpy.typing import NDArray

from .event import ERROR

OFF_CENTRE = 0.1  # of the picture's side: how far the middle of what is obscured lies aside to be named for it
SCATTERED = 0.25  # of the side, standard deviation; evenly over the whole side it is 0.29
ALMOST_ALL = 0.6  # of the picture

THEN = {
    "none": "the car drives on",
    "warn": "the car drives on",
    "slow": "the autopilot is slowed until then",
    "stop": "the autopilot stands until then",
}


def cause(coverage: float, heat_map: NDArray[np.floating] | None) -> str:
    """Where the lens is obscured, and how much: coverage 0…1, the evidence map [h, w] in 0…1, 1 is obscured."""
    if heat_map is None or coverage <= 0 or not (heat_map >= 1).any():  # judged by the PCC alone, which knows no place
        return "The lens is obscured."
    return f"The lens is obscured {_where(coverage, heat_map >= 1)}, {max(round(100 * coverage), 1)} % of the picture."


def advice(level: str, action: str) -> str:
    """What to do, and what the car does meanwhile: `action` is LENS_ACTION."""
    return f"{'Stop and wipe the lens' if level == ERROR else 'Wipe the lens'}; {THEN[action]}."


def _where(coverage: float, obscured: NDArray[np.bool_]) -> str:
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
    """To which side of an axis the obscured places lie."""
    along = (indices + 0.5) / size - 0.5  # −0.5…0.5
    if along.mean() < -OFF_CENTRE:
        return low
    if along.mean() > OFF_CENTRE:
        return high
    return "scattered" if along.std() > SCATTERED else "middle"
