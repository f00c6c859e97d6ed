"""Fixtures of the folders that drive the part: a calibrated part, and a drive on which the lens gets wet."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mle_uvad.calibration import Calibration
from mle_uvad.edge import Bundle
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.anomaly import Outputs

Frame = NDArray[np.uint8]
HZ = 20.0


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_part(
    bundle: Bundle, calibration: Calibration, tmp_path: Path, clock: Clock
) -> Iterator[Callable[..., MLEAnomalyPart]]:
    """`make_part()`: a calibrated part with its log in tmp_path. All parts are shut down at the end."""
    parts: list[MLEAnomalyPart] = []
    calibration.save(tmp_path / "calibration.json")

    def make(calibration_file: str = "calibration.json") -> MLEAnomalyPart:
        part = MLEAnomalyPart(bundle.folder, tmp_path / calibration_file, tmp_path / "logs" / "lens.db", clock=clock)
        parts.append(part)
        return part

    yield make
    for part in parts:
        part.shutdown()


@pytest.fixture(scope="session")
def clear_frames(moving_frames: Callable[..., list[Frame]]) -> list[Frame]:
    """Three seconds through a clear lens, of the scene that was calibrated on."""
    return moving_frames(60)


@pytest.fixture(scope="session")
def wet_frames(clear_frames: list[Frame]) -> list[Frame]:
    """The same three seconds with the left half blurred, as by a large drop."""
    frames = []
    for frame in clear_frames:
        blurred = np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(4)))
        frames.append(np.concatenate([blurred[:, :80], frame[:, 80:]], axis=1))
    return frames


@pytest.fixture
def drive(clock: Clock) -> Callable[..., list[Outputs]]:
    """`drive(part, frames)`: run the part over frames at 20 Hz and return its outputs."""

    def run(part: MLEAnomalyPart, frames: list[Frame]) -> list[Outputs]:
        outputs = []
        for frame in frames:
            clock.now_s += 1 / HZ
            outputs.append(part.run(frame))
        return outputs

    return run
