"""Compares two backends on the same frames, through the Scorer that the car runs.

Tolerances are set by what the alarm can bear: a threshold is at least 1 log odds, a scale of the reference 0.015.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..scorer import Scorer
from .synthetic_frames import INTERVAL_S, synthetic_frames

PCC_TOLERANCE = 1e-3
LOGITS_TOLERANCE = 5e-2
FEATURE_MAPS_TOLERANCE = 2e-3


@dataclass(frozen=True)
class Parity:
    """The maximum absolute error of each output over all frames that both score; 0 if they agree to the last bit."""

    frames: int
    pcc: float = 0.0
    logits: float = 0.0  # log odds
    feature_maps: float = 0.0  # as calibration takes them for the reference
    disagreement: str = ""  # on whether a frame can be scored at all

    @property
    def problem(self) -> str:
        """The errors beyond their tolerances, in one line; empty if all are within."""
        if self.disagreement:
            return self.disagreement
        if not self.frames:
            return "no frame can be scored: all are dark or flat"
        errors = (
            ("PCC", self.pcc, PCC_TOLERANCE),
            ("log odds", self.logits, LOGITS_TOLERANCE),
            ("feature maps", self.feature_maps, FEATURE_MAPS_TOLERANCE),
        )
        beyond = [f"{name} by {error:.1e} (allowed {most:.0e})" for name, error, most in errors if not error <= most]
        return f"differs: {', '.join(beyond)}" if beyond else ""


def compare(one: Scorer, other: Scorer, frames: Iterable[NDArray[np.uint8]]) -> Parity:
    """Score frames [H, W, 3], 20 a second, with both scorers, each with its own running means."""
    one.restart()
    other.restart()
    errors = []
    for number, frame in enumerate(frames):
        first, second = (scorer.score(frame, number * INTERVAL_S) for scorer in (one, other))
        if first.status != second.status:
            found = f"{first.status} with {one.backend.name}, {second.status} with {other.backend.name}"
            detail = first.detail or second.detail
            return Parity(0, disagreement=f"frame {number} is {found}{': ' if detail else ''}{detail}")
        if first.status == "ok":
            pairs = (
                (first.pcc, second.pcc),
                (first.logits, second.logits),
                (first.feature_maps, second.feature_maps),
            )
            errors.append([max_abs_error(*pair) for pair in pairs])
    return Parity(len(errors), *np.max(errors, axis=0).tolist()) if errors else Parity(0)


def max_abs_error(first: Any, second: Any) -> float:
    """Return the maximum absolute difference of two arrays of one shape; NaN if either holds one."""
    return float(np.abs(np.subtract(first, second)).max())


def golden_values(scorer: Scorer) -> list[list[float]]:
    """Score the synthetic frames and return PCC, mean and maximum log odds of each frame that has a score.

    The export stores them in the bundle, and `verify` computes them again on the device.
    """
    scorer.restart()
    rows = []
    for number, frame in enumerate(synthetic_frames(scorer.bundle.height, scorer.bundle.width)):
        score = scorer.score(frame, number * INTERVAL_S)
        if score.pcc is not None and score.logits is not None:
            rows.append([float(f"{value:.8g}") for value in (score.pcc, score.logits.mean(), score.logits.max())])
    return rows


def compare_golden_values(scorer: Scorer) -> Parity:
    """Compare the golden values computed here with those that the export stored in the bundle."""
    expected, found = scorer.bundle.golden_values, golden_values(scorer)
    if len(expected) != len(found):
        return Parity(0, disagreement=f"scores {len(found)} of the synthetic frames, the desktop {len(expected)}")
    pcc, mean, worst = np.abs(np.subtract(expected, found)).max(0).tolist()
    return Parity(len(found), pcc, max(mean, worst))
