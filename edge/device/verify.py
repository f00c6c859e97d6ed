"""Verifies that a bundle runs on this machine as it did on the desktop, and measures how fast."""

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
    """The result of `verify`."""

    machine: dict[str, str]
    desktop: Parity  # against the golden values that the export stored
    ort: Parity | None  # against ONNX Runtime on this machine; None if that is the backend itself
    back_to_back: Latency
    paced: Latency

    @property
    def problem(self) -> str:
        """The reason not to trust the bundle here, in one line; empty if there is none."""
        for name, differences in (("the desktop's golden values", self.desktop), ("ONNX Runtime here", self.ort)):
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
    """Run a bundle with the backend `ort` or `trt` on the synthetic frames and on `frames` [H, W, 3], if any.

    Raises InputError when the backend cannot be had here, and for a bundle without the desktop's golden values.
    """
    if not bundle.golden_values:
        raise InputError(f"{bundle.folder} is of an older version and has no golden values; export it again")
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
    """Measure `Scorer.score`."""
    scorer.restart()
    shown = enumerate(itertools.cycle(frames))

    def score() -> None:
        number, frame = next(shown)
        scorer.score(frame, number * INTERVAL_S)

    return Latency.of(itertools.islice(latencies_ms(score, hz, clock, sleep), TIMED))
