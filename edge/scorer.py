"""Scores one camera frame after the other: the PCC with the reconstruction, and where the lens looks obscured."""

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .backend import Backend, make_backend
from .bundle import Bundle
from .frame import camera_of, frame_fault, to_rgb
from .memory import MEMORY_SIZE, SPANS_S, MemoryClock, Reference, enlarge

if TYPE_CHECKING:
    from .ort_backend import Answer  # the runtime is opened by a backend alone: reading a tub needs none

DARK_BRIGHTNESS = 10 / 255  # mean grey below this: lens cap, night, dead sensor
FLAT_CONTRAST = 2 / 255  # spread of the grey below this: nothing to correlate with


@dataclass(frozen=True)
class FrameScore:
    """What one frame says, in the light of those before it. All but the status is empty unless that is `ok`."""

    status: str  # ok, no_frame, error, dark or flat
    pcc: float | None = None  # −1…1; 1 is a perfect reconstruction
    logits: NDArray[np.float32] | None = None  # [20, 20], log odds that the lens is obscured there
    pictures: NDArray[np.float32] | None = None  # [20, 10, 10], what calibration makes a reference of
    motion: float = 0.0  # 0…1, how much the picture has changed within the short span, in grey levels of 1
    settled: bool = False  # whether the memory spans a whole long span
    infer_ms: float = 0.0
    detail: str = ""  # for the log, where the status needs a reason


class Scorer:
    """Runs a bundle on the frames of a drive. After construction nothing raises and nothing is NaN.

    It holds what the graph remembers of the last seconds; the same frames at the same times give the same scores.
    `reference` is that of the bundle until a calibration sets its own.
    """

    def __init__(self, bundle: Bundle, backend: Backend | None = None) -> None:
        self.bundle = bundle
        self.backend = make_backend(bundle) if backend is None else backend
        self.reference = bundle.reference
        self.camera = ""  # what the last frame was, `rgb` or `luma`; empty before the first
        self._clock = MemoryClock()
        self.restart()

    @property
    def reference(self) -> Reference:
        """What the clean drive looked like, [2, 20, 10, 10]."""
        return self._reference

    @reference.setter
    def reference(self, reference: Reference) -> None:
        self._reference, self._enlarged = reference, enlarge(reference)

    def restart(self) -> None:
        """Forget the frames so far: another drive begins."""
        self._clock.restart()
        self._memory = np.zeros((len(SPANS_S), MEMORY_SIZE), np.float32)

    def score(self, frame: Any, t_s: float) -> FrameScore:
        """Score the frame seen at `t_s` seconds, uint8 [H, W, 3], [H, W, 1] or [H, W]. Never writes to it."""
        fault = frame_fault(frame, self.bundle.height, self.bundle.width)
        if fault is not None:
            return FrameScore(fault.status, detail=fault.detail)
        self.camera = camera_of(frame)
        started = time.perf_counter()
        try:
            shares = self._clock.shares(t_s)
            if self._clock.frames == 1:  # after a gap too: a share of 1 would leave rounding errors of what was before
                self._memory = np.zeros_like(self._memory)
            answer = self.backend.run(to_rgb(frame), self._memory, shares, self._enlarged)
        except Exception as error:  # noqa: BLE001 whatever a runtime throws must not stop the car
            self.restart()
            return FrameScore("error", detail=f"{type(error).__name__}: {error}")
        infer_ms = (time.perf_counter() - started) * 1e3
        status = "ok"
        if answer.brightness < DARK_BRIGHTNESS:
            status = "dark"
        elif answer.contrast < FLAT_CONTRAST:
            status = "flat"
        elif not _is_finite(answer):
            status = "error"
        if status != "ok":
            self.restart()  # such a frame would stay in the memory for seconds
            detail = "the model returned a value that is not finite" if status == "error" else ""
            return FrameScore(status, infer_ms=infer_ms, detail=detail)
        self._memory = answer.memory
        return FrameScore(
            "ok", answer.pcc, answer.logits, answer.pictures, answer.motion, self._clock.settled, infer_ms
        )


def _is_finite(answer: "Answer") -> bool:
    """Whether all that is kept is: a sum is finite only where all its terms are, and costs less than a look at each."""
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        return math.isfinite(answer.pcc + answer.motion + float(answer.logits.sum()) + float(answer.memory.sum()))
