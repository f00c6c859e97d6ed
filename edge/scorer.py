"""Scores one camera frame: its PCC with its reconstruction, and measures by place."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle
from .frame import frame_fault, to_rgb

DARK_BRIGHTNESS = 10 / 255  # mean grey below this: lens cap, night, dead sensor
FLAT_CONTRAST = 2 / 255  # spread of the grey below this: nothing to correlate with


@dataclass(frozen=True)
class FrameScore:
    """What one frame says. `pcc` and `maps` are None unless the status is `ok`."""

    status: str  # ok, no_frame, error, dark or flat
    pcc: float | None = None  # −1…1; 1 is a perfect reconstruction
    maps: NDArray[np.float32] | None = None  # [M, 10, 10], the measures of the bundle in order
    infer_ms: float = 0.0
    detail: str = ""  # for the log, where the status needs a reason


class Scorer:
    """Runs a bundle on frames. After construction nothing raises and nothing is NaN."""

    def __init__(self, bundle: Bundle) -> None:
        from .ort_backend import OrtBackend  # here: reading a tub or a bundle needs no onnxruntime

        self.bundle = bundle
        self.backend = OrtBackend(bundle)

    def score(self, frame: Any) -> FrameScore:
        """Score one frame, uint8 [H, W, 3], [H, W, 1] or [H, W] of the bundle's size. Never writes to it."""
        fault = frame_fault(frame, self.bundle.height, self.bundle.width)
        if fault is not None:
            return FrameScore(fault.status, detail=fault.detail)
        started = time.perf_counter()
        try:
            pcc, brightness, contrast, maps = self.backend.run(to_rgb(frame))
        except Exception as error:  # noqa: BLE001 whatever a runtime throws must not stop the car
            return FrameScore("error", detail=f"{type(error).__name__}: {error}")
        infer_ms = (time.perf_counter() - started) * 1e3
        if brightness < DARK_BRIGHTNESS:
            return FrameScore("dark", infer_ms=infer_ms)
        if contrast < FLAT_CONTRAST:
            return FrameScore("flat", infer_ms=infer_ms)
        if not (np.isfinite(pcc) and np.isfinite(maps).all()):
            return FrameScore("error", infer_ms=infer_ms, detail="the model returned a value that is not finite")
        return FrameScore("ok", pcc, maps, infer_ms)
