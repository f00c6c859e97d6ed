"""How far two ways to run a bundle are apart, frame by frame, with the Scorer that the car runs."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..scorer import FrameScore, Scorer
from .synthetic_frames import INTERVAL_S, synthetic_frames

# What the alarm can bear: the least limit of a calibration is 1 in log odds, the least spread of a reference 0.015.
PCC_TOLERANCE = 1e-3
LOGITS_TOLERANCE = 5e-2
FEATURE_MAPS_TOLERANCE = 2e-3


@dataclass(frozen=True)
class Parity:
    """The largest of each over all frames that both score; 0 where they agree to the last bit."""

    frames: int
    pcc: float
    logits: float  # log odds
    feature_maps: float  # of what calibration makes a reference
    disagreement: str = ""  # on whether a frame can be scored at all

    @property
    def problem(self) -> str:
        """What lies beyond the tolerances, in one line; empty when all is within."""
        if self.disagreement:
            return self.disagreement
        if not self.frames:
            return "no frame can be scored: all are dark or flat"
        told = (
            ("PCC", self.pcc, PCC_TOLERANCE),
            ("log odds", self.logits, LOGITS_TOLERANCE),
            ("pictures", self.feature_maps, FEATURE_MAPS_TOLERANCE),
        )
        beyond = [f"{name} by {value:.1e} (allowed {most:.0e})" for name, value, most in told if not value <= most]
        return f"differs: {', '.join(beyond)}" if beyond else ""


def compare(one: Scorer, other: Scorer, frames: Iterable[NDArray[np.uint8]]) -> Parity:
    """Score frames [H, W, 3], 20 a second, with both, each with a memory of its own."""
    one.restart()
    other.restart()
    rows = []
    for number, frame in enumerate(frames):
        here, there = (scorer.score(frame, number * INTERVAL_S) for scorer in (one, other))
        if here.status != there.status:
            seen = f"{here.status} with {one.backend.name}, {there.status} with {other.backend.name}"
            detail = here.detail or there.detail
            return Parity(0, 0.0, 0.0, 0.0, f"frame {number} is {seen}{': ' if detail else ''}{detail}")
        if here.status == "ok":
            rows.append([_max_abs_error(here, there, name) for name in ("pcc", "logits", "pictures")])
    return Parity(len(rows), *np.max(rows, axis=0).tolist()) if rows else Parity(0, 0.0, 0.0, 0.0)


def _max_abs_error(here: FrameScore, there: FrameScore, name: str) -> float:
    return float(np.abs(np.subtract(getattr(here, name), getattr(there, name))).max())


def golden_values(scorer: Scorer) -> list[list[float]]:
    """PCC, mean and greatest log odds on each of the made-up frames: what the export notes and `verify` asks again."""
    scorer.restart()
    rows = []
    for number, frame in enumerate(synthetic_frames(scorer.bundle.height, scorer.bundle.width)):
        score = scorer.score(frame, number * INTERVAL_S)
        if score.pcc is not None and score.logits is not None:
            rows.append([float(f"{value:.8g}") for value in (score.pcc, score.logits.mean(), score.logits.max())])
    return rows


def compare_golden_values(scorer: Scorer) -> Parity:
    """The answers on the made-up frames against those that the export noted on the desktop."""
    expected, found = scorer.bundle.golden_values, golden_values(scorer)
    if len(expected) != len(found):
        return Parity(0, 0.0, 0.0, 0.0, f"scores {len(found)} of the made-up frames, the desktop {len(expected)}")
    pcc, mean, worst = np.abs(np.subtract(expected, found)).max(0).tolist()
    return Parity(len(found), pcc, max(mean, worst), 0.0)
