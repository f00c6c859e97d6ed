"""Labels the image of the web page with the status of the lens."""

import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..edge.status import STATUSES
from .config import LensConfig

QUIET = frozenset(word for word, status in STATUSES.items() if status.is_quiet)
WHITE, BLACK, RED, YELLOW = (255, 255, 255), (0, 0, 0), (200, 20, 20), (240, 200, 40)
TEXT_CHARACTERS_MAX = 24  # fit an image 160 pixels wide
MESSAGE_LINES_MAX = 6
WHEN_STANDING = "wipe it; then it drives"  # see `trial_drive`
HEIGHT_OF_SIZE_1 = 120  # pixels of the image; the letters of one twice as high are twice as large
LABELS_KEPT = 32

Pixels = NDArray[np.uint8]


class LensOverlay:
    """Draws a label with the status of the lens and the progress of a calibration into a copy of the image.

    Add it after the part, with the image to show as its first input and `ui/image_array` as its output. When there is
    nothing to show, and for anything that is not a uint8 image, it returns its input. Only the constructor raises.

    Example:
        >>> image = np.zeros((120, 160, 3), np.uint8)
        >>> LensOverlay().run(image, False, "ok") is image
        True
        >>> LensOverlay().run(image, True, "obscured") is image
        False
    """

    outputs = ["ui/image_array"]  # noqa: RUF012 Vehicle wants a list

    def __init__(self, *, shown: bool = True, limits: bool = False) -> None:
        self._shown, self._limits = shown, limits
        self._labels: dict[tuple[str, bool, int, int], Pixels] = {}

    @classmethod
    def from_config(cls, cfg: Any) -> "LensOverlay":
        """Build the overlay from the LENS_ keys of myconfig.py; LENS_ACTION none shows nothing."""
        action = LensConfig.read(cfg).action
        return cls(shown=action != "none", limits=action in ("slow", "stop"))

    def run(self, image: Any, obscured: Any, status: Any, calibration: Any = "") -> Any:
        """Return the image, uint8 [H, W, 3], [H, W, 1] or [H, W], or a copy with a label at its top left."""
        text = _text(obscured, status, calibration) if self._shown else ""
        if self._limits and obscured is True and status == "still":
            text += f"\n{WHEN_STANDING}"
        if not text or not _is_image(image):
            return image
        shown = image.copy()
        label = self._label(text, obscured is True, image)
        corner = shown[: label.shape[0], : label.shape[1]]
        corner[:] = label[: corner.shape[0], : corner.shape[1]].reshape(corner.shape)
        return shown

    def _label(self, text: str, alarm: bool, image: Pixels) -> Pixels:
        """Return the label in the channels and scale of the image. It is drawn once and kept."""
        channels, size = image[0, 0].size, max(1, len(image) // HEIGHT_OF_SIZE_1)
        key = (text, alarm, channels, size)
        if key not in self._labels:
            if len(self._labels) >= LABELS_KEPT:
                self._labels.clear()
            label = _draw(text, WHITE, RED) if alarm else _draw(text, BLACK, YELLOW)
            pixels = np.asarray(label if channels == 3 else label.convert("L"))
            self._labels[key] = pixels.repeat(size, 0).repeat(size, 1)
        return self._labels[key]


def _text(obscured: Any, status: Any, calibration: Any) -> str:
    """Return the text of the label; empty when all is well or the status is unknown."""
    if not isinstance(status, str):
        return ""
    message = (
        textwrap.wrap(calibration, TEXT_CHARACTERS_MAX)[:MESSAGE_LINES_MAX] if isinstance(calibration, str) else []
    )
    if obscured is True:
        alarm = "LENS OBSCURED" if status == "obscured" else f"LENS OBSCURED {status}"[:TEXT_CHARACTERS_MAX]
        return "\n".join([alarm, *message])
    if message:
        return "\n".join(message)
    return "" if status in QUIET else f"lens {status}"[:TEXT_CHARACTERS_MAX]


def _is_image(image: Any) -> bool:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.size == 0:
        return False
    return image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))


def _draw(text: str, ink: tuple[int, int, int], paper: tuple[int, int, int]) -> Image.Image:
    font = ImageFont.load_default()
    text = text.encode("ascii", "replace").decode()  # all that Pillow's bitmap font has, which it uses without FreeType
    measured = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((3, 2), text, font)
    label = Image.new("RGB", (round(measured[2]) + 3, round(measured[3]) + 3), paper)
    ImageDraw.Draw(label).text((3, 2), text, ink, font)
    return label
