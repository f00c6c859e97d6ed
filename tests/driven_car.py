"""A part without a Vehicle, driven on a clock of its own."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mle_uvad.calibration.session import REFERENCE_PHASE_S, THRESHOLD_PHASE_S
from mle_uvad.parts import MLEAnomalyPart

Frame = NDArray[np.uint8]
HZ = 6.0
DRIVE_S = REFERENCE_PHASE_S + THRESHOLD_PHASE_S
LAP = 160  # frames, after which the camera of `moving_frames` jumps back


class Car:
    """A part without a Vehicle, on a clock of its own; `drive(seconds)` returns its outputs."""

    def __init__(self, bundle: Path, folder: Path, frames: list[Frame]) -> None:
        self.now_s, self.frames, self.number = 1000.0, frames, 0
        self.file = folder / "calibration.json"
        self.part = MLEAnomalyPart(bundle, self.file, folder / "lens.db", clock=lambda: self.now_s)

    def drive(self, seconds: float, press: bool = False, still: bool = False) -> list[tuple[Any, ...]]:
        said = []
        for number in range(round(seconds * HZ)):
            self.now_s += 1 / HZ
            self.number += not still
            frame = self.frames[self.number % len(self.frames)]
            # A live sensor never repeats a frame, not even in front of a scene that stands still.
            noisy = frame ^ np.uint8(self.number % 2) if not still else frame ^ np.uint8(number % 2)
            said.append(self.part.run(noisy, press and number == 0))
        return said

    def drive_on(self, seconds: float) -> None:
        """What a command that sleeps leaves the car to do."""
        self.drive(seconds)
