"""Scores camera frames one by one: the PCC with the reconstruction, and where the lens looks obscured."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle
from .ema import RunningMeans
from .frame import camera_of, frame_fault, to_rgb
from .graph import Backend, GraphOutputs
from .reference import Reference, enlarge

DARK_BRIGHTNESS = 10 / 255  # mean grey below this: lens cap, night, dead sensor
FLAT_CONTRAST = 2 / 255  # standard deviation of the grey below this: nothing to correlate with
STILL_MOTION = 1.5 / 255  # less change than this within the fast time constant: sensor noise, the car stands
NO_CRAWL = (0.0, 0.0)  # motion, and motion as a share of the contrast; a car below both crawls: here, none does


def crawls(motion: Any, contrast: Any, below: tuple[float, float]) -> Any:
    """Return whether a car crawls, from its motion and the contrast, 0…1: numbers or arrays of them.

    A film over the lens lowers motion and contrast alike, so their ratio has to be low, too.
    """
    return (motion < below[0]) & (motion < below[1] * contrast)


@dataclass(frozen=True, eq=False)
class FrameScore:
    """The score of one frame, given those before it. All but the status is empty unless that is `ok`."""

    status: str  # ok, no_frame, error, dark or flat
    pcc: float | None = None  # −1…1; 1 is a perfect reconstruction
    logits: NDArray[np.float32] | None = None  # [20, 20], log odds that the lens is obscured there, if scored
    feature_maps: NDArray[np.float32] | None = None  # [20, 10, 10], for a calibration's reference; with the logits
    motion: float = 0.0  # 0…1, change within the fast time constant, in grey levels of 1
    warmed_up: bool = False  # whether the running means have seen a whole slow time constant
    contrast: float = 1.0  # 0…1, standard deviation of the frame, in grey levels of 1
    crawl_below: tuple[float, float] = NO_CRAWL  # that of the scorer
    detail: str = ""  # for the log, if the status needs a reason

    @property
    def is_stationary(self) -> bool:
        """Whether the car stands or crawls: then nothing shows what is fixed to the lens."""
        stands = self.motion < STILL_MOTION
        return self.warmed_up and (stands or crawls(self.motion, self.contrast, self.crawl_below))

    @property
    def is_informative(self) -> bool:
        """Whether the frame says something about the lens: the running means are warmed up and the car moves."""
        return self.pcc is not None and self.warmed_up and not self.is_stationary


class Scorer:
    """Runs a bundle on the frames of a drive. After construction nothing raises and nothing is NaN.

    It holds the running means of the last seconds; the same frames at the same times give the same scores.
    `reference` is the bundle's and `crawl_below` is `NO_CRAWL` until a calibration sets its own. The cells of a frame
    are scored if `cells_every_s` seconds have passed since the last: 0, the default, scores those of every frame.
    """

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self.bundle = bundle
        self.backend = backend
        self.reference = bundle.reference
        self.crawl_below = NO_CRAWL
        self.cells_every_s = 0.0
        self.camera = ""  # the kind of the last frame, `rgb` or `luma`; empty before the first
        self._state = RunningMeans()
        self._cells_s = -math.inf  # time of the last frame whose cells were scored

    @property
    def reference(self) -> Reference:
        """Median and scale of the feature maps on a clean drive, [2, 20, 10, 10]."""
        return self._reference

    @reference.setter
    def reference(self, reference: Reference) -> None:
        self._reference, self._enlarged = reference, enlarge(reference)

    def restart(self) -> None:
        """Forget the frames so far: another drive begins."""
        self._state.restart()
        self._cells_s = -math.inf

    def score(self, frame: Any, t_s: float) -> FrameScore:
        """Score the frame seen at `t_s` seconds, uint8 [H, W, 3], [H, W, 1] or [H, W]. Never writes to it."""
        fault = frame_fault(frame, self.bundle.height, self.bundle.width)
        if fault is not None:
            return FrameScore(fault.status, detail=fault.detail)
        self.camera = camera_of(frame)
        try:
            weights = self._state.weights(t_s)
            reference = None if 0 <= t_s - self._cells_s < self.cells_every_s else self._enlarged
            outputs = self.backend.run(to_rgb(frame), self._state.means, weights, reference)
        except Exception as error:  # noqa: BLE001 whatever a runtime throws must not stop the car
            self.restart()
            return FrameScore("error", detail=f"{type(error).__name__}: {error}")
        status = unscorable(outputs.brightness, outputs.contrast) or ("ok" if _is_finite(outputs) else "error")
        if status != "ok":
            self.restart()  # such a frame would stay in the running means for seconds
            return FrameScore(
                status, detail="the model returned a value that is not finite" if status == "error" else ""
            )
        self._state.means = outputs.running_means
        if reference is not None:
            self._cells_s = t_s
        return FrameScore(
            "ok",
            outputs.pcc,
            outputs.logits,
            outputs.feature_maps,
            outputs.motion,
            self._state.warmed_up,
            contrast=outputs.contrast,
            crawl_below=self.crawl_below,
        )


def unscorable(brightness: float, contrast: float) -> str:
    """Return `dark` or `flat` for a frame that shows nothing, from mean and standard deviation of its grey, 0…1."""
    return "dark" if brightness < DARK_BRIGHTNESS else "flat" if contrast < FLAT_CONTRAST else ""


def _is_finite(outputs: GraphOutputs) -> bool:
    """Return whether all outputs are finite: one sum tests them together, cheaper than one by one."""
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        total = outputs.pcc + outputs.motion + float(outputs.running_means.sum())
        if outputs.logits is not None:
            total += float(outputs.logits.sum())
        return math.isfinite(total)
