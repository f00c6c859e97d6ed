"""What the web page shows of the lens: a mark in a copy of the picture."""

import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .config import LensConfig

UNMARKED = ("ok", "warmup", "still")
WHITE, BLACK, RED, YELLOW = (255, 255, 255), (0, 0, 0), (200, 20, 20), (240, 200, 40)
TEXT_CHARACTERS_MAX = 24  # fit a picture of 160 pixels
NEWS_LINES_MAX = 6
HEIGHT_OF_SIZE_1 = 120  # pixels of the picture; in one twice as high the letters are twice as large
LABELS_KEPT = 32

Picture = NDArray[np.uint8]


class LensOverlay:
    """Writes into a copy of the picture what is the matter with the lens, and how a calibration goes; else the picture
    comes back untouched.

    Add it behind the part, with the picture to show as its first input and `ui/image_array` as its output. After
    construction nothing raises; what is no uint8 picture comes back as it is.
    """

    outputs = ["ui/image_array"]  # noqa: RUF012 Vehicle wants a list

    def __init__(self, *, shown: bool = True) -> None:
        self._shown = shown
        self._labels: dict[tuple[str, bool, int, int], Picture] = {}

    @classmethod
    def from_config(cls, cfg: Any) -> "LensOverlay":
        """Build the overlay from the LENS_ keys of myconfig.py; LENS_ACTION none shows nothing."""
        return cls(shown=LensConfig.read(cfg).action != "none")

    def run(self, picture: Any, obscured: Any, status: Any, calibration: Any = "") -> Any:
        """The picture, uint8 [H, W, 3], [H, W, 1] or [H, W]: the very same, or a copy with a mark at its top left."""
        text = _text(obscured, status, calibration) if self._shown else ""
        if not text or not _is_picture(picture):
            return picture
        shown = picture.copy()
        label = self._label(text, obscured is True, picture)
        place = shown[: label.shape[0], : label.shape[1]]
        place[:] = label[: place.shape[0], : place.shape[1]].reshape(place.shape)
        return shown

    def _label(self, text: str, alarm: bool, picture: Picture) -> Picture:
        """The mark for a picture of this kind, drawn once."""
        channels, size = picture[0, 0].size, max(1, len(picture) // HEIGHT_OF_SIZE_1)
        key = (text, alarm, channels, size)
        if key not in self._labels:
            if len(self._labels) >= LABELS_KEPT:
                self._labels.clear()
            label = _draw(text, WHITE, RED) if alarm else _draw(text, BLACK, YELLOW)
            pixels = np.asarray(label if channels == 3 else label.convert("L"))
            self._labels[key] = pixels.repeat(size, 0).repeat(size, 1)
        return self._labels[key]


def _text(obscured: Any, status: Any, calibration: Any) -> str:
    """What to write, in lines; empty when all is well or nothing is known."""
    if not isinstance(status, str):
        return ""
    news = textwrap.wrap(calibration, TEXT_CHARACTERS_MAX)[:NEWS_LINES_MAX] if isinstance(calibration, str) else []
    if obscured is True:
        alarm = "LENS OBSCURED" if status == "obscured" else f"LENS OBSCURED {status}"[:TEXT_CHARACTERS_MAX]
        return "\n".join([alarm, *news])
    if news:
        return "\n".join(news)
    return "" if status in UNMARKED else f"lens {status}"[:TEXT_CHARACTERS_MAX]


def _is_picture(picture: Any) -> bool:
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.size == 0:
        return False
    return picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] in (1, 3))


def _draw(text: str, ink: tuple[int, int, int], paper: tuple[int, int, int]) -> Image.Image:
    font = ImageFont.load_default()
    text = text.encode("ascii", "replace").decode()  # the bitmap font of a Pillow without FreeType knows no more
    measured = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((3, 2), text, font)
    label = Image.new("RGB", (round(measured[2]) + 3, round(measured[3]) + 3), paper)
    ImageDraw.Draw(label).text((3, 2), text, ink, font)
    return label
