"""The thresholds of a vehicle as entries of calibration.json."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..edge.evidence import Thresholds
from ..edge.graph import GRID_SIDE
from ..edge.reference import read_reference, write_reference
from ..edge.scorer import NO_CRAWL

MEDIAN_S_MAX = 600.0  # the values of a window are held in memory


def write_thresholds(thresholds: Thresholds) -> dict[str, Any]:
    """Return the entries, of types that JSON has. `read_thresholds` is the inverse, to six digits."""
    return {
        "averaging_s": thresholds.averaging_s,
        "median_s": thresholds.median_s,
        "crawl_below": list(thresholds.crawl_below),
        "pcc": list(thresholds.pcc),
        "ordinary": [float(f"{value:.6g}") for value in thresholds.baseline.ravel()],
        # JSON has no infinity: null is a threshold that is never reached.
        "limit": [excess if math.isfinite(excess) else None for excess in thresholds.excess],
        "reference": write_reference(thresholds.reference),
    }


def read_thresholds(facts: Mapping[str, Any]) -> Thresholds:
    """Return the thresholds. Raises KeyError, TypeError or ValueError for entries that are missing or out of range."""
    low, median, high = (float(value) for value in facts["pcc"])
    fast, slow = (math.inf if excess is None else float(excess) for excess in facts["limit"])
    averaging_s, median_s = float(facts["averaging_s"]), float(facts.get("median_s", 0.0))  # older files have none
    motion, relative = (float(value) for value in facts.get("crawl_below", NO_CRAWL))  # older files have none
    baseline = np.array(facts["ordinary"], np.float32).reshape(2, GRID_SIDE, GRID_SIDE)
    if not (-1 <= low < median < high <= 1 and np.isfinite(baseline).all()):
        raise ValueError("the PCCs are not in order, or a baseline is not finite")
    if not (fast > 0 and slow > 0 and 0 <= averaging_s < math.inf and 0 <= median_s <= MEDIAN_S_MAX):
        raise ValueError("a threshold is out of range")
    if not (0 <= motion < 1 and 0 <= relative < math.inf):
        raise ValueError(f"crawl_below is {motion}, {relative}")
    reference = read_reference(facts["reference"])
    return Thresholds((low, median, high), baseline, (fast, slow), averaging_s, reference, (motion, relative), median_s)
