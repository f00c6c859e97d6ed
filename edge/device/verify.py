"""Whether a bundle runs on this machine as it did on the desktop, and how fast: a report to paste."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..backends import open_backend
from ..backends.parity import Parity, compare, compare_golden_values
from ..backends.synthetic_frames import INTERVAL_S, synthetic_frames
from ..bundle import Bundle
from ..errors import InputError
from ..scorer import Scorer
from .bench import CLOCK, HZ, SLEEP, Latency, latencies_ms
from .machine import describe

TIMED = 200

Frames = list[NDArray[np.uint8]]


@dataclass(frozen=True)
class Verification:
    """What `verify` found."""

    machine: dict[str, str]
    desktop: Parity  # against the answers that the export noted
    ort: Parity | None  # against ONNX Runtime on this machine; None for that itself
    back_to_back: Latency
    paced: Latency

    @property
    def problem(self) -> str:
        """Why the bundle must not be trusted here, in one line; empty when it may."""
        for name, differences in (("the desktop's answers", self.desktop), ("ONNX Runtime here", self.ort)):
            if differences is not None and differences.problem:
                return f"against {name}: {differences.problem}"
        return ""


def verify(
    bundle: Bundle,
    backend: str,
    frames: Frames,
    *,
    clock: Callable[[], float] = CLOCK,
    sleep: Callable[[float], None] = SLEEP,
) -> Verification:
    """Run a bundle with `ort` or `trt` on the made-up frames and on `frames` [H, W, 3], which may be none.

    Raises InputError when the backend cannot be had here, and for a bundle without the desktop's answers.
    """
    if not bundle.golden_values:
        raise InputError(f"{bundle.folder} is of an older version and has no answers to verify; export it again")
    scorer = Scorer(bundle, open_backend(bundle, backend))
    desktop = compare_golden_values(scorer)
    frames = frames or synthetic_frames(bundle.height, bundle.width)
    ort = compare(scorer, Scorer(bundle, open_backend(bundle, "ort")), frames) if backend != "ort" else None
    back_to_back = _time(scorer, frames, 0.0, clock, sleep)
    paced = _time(scorer, frames, HZ, clock, sleep)
    return Verification(describe(bundle, scorer.backend), desktop, ort, back_to_back, paced)


def _time(
    scorer: Scorer, frames: Frames, hz: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Latency:
    """Of `Scorer.score`."""
    scorer.restart()
    shown = enumerate(itertools.cycle(frames))

    def score() -> None:
        number, frame = next(shown)
        scorer.score(frame, number * INTERVAL_S)

    return Latency.of(itertools.islice(latencies_ms(score, hz, clock, sleep), TIMED))
