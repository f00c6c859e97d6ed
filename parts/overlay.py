"""Labels the image of the web page with the status of the lens."""

import re
import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..edge.frame import is_image
from ..edge.status import STATUSES
from .config import LensConfig
from .events.text import place

QUIET = frozenset(word for word, status in STATUSES.items() if status.is_quiet)
WHITE, BLACK, RED, YELLOW, GREEN = (255, 255, 255), (0, 0, 0), (200, 20, 20), (240, 200, 40), (10, 122, 56)
TEXT_CHARACTERS_MAX = 25  # fit an image 160 pixels wide
MESSAGE_LINES_MAX = 6
WHEN_STANDING = "wipe it; then it drives"  # see `trial_drive`
HEIGHT_OF_SIZE_1 = 120  # pixels of the image; the letters of one twice as high are twice as large
FONT_SIZE = 12
LABELS_KEPT = 32
TICK, TICK_SIDE = ((2, 6), (5, 9), (10, 3)), 13  # the sign that all is well, in pixels
STAYS_WITHIN = 0.05  # mean of the evidence map below the label: a corner this much better makes it move

Pixels = NDArray[np.uint8]
HeatMap = NDArray[np.floating]


class LensOverlay:
    """Draws the status of the lens and the progress of a calibration into a copy of the image, beside the fault.

    Add it after the part, with the image to show as its first input and `ui/image_array` as its output. The other
    inputs are `lens/obscured`, `lens/status`, `lens/calibration`, `lens/coverage` and `lens/map`; the last three may be
    left out. For anything that is not a uint8 image it returns its input. Only the constructor raises.

    Example:
        >>> image = np.zeros((120, 160, 3), np.uint8)
        >>> LensOverlay().run(image, False, "warmup") is image
        True
        >>> LensOverlay().run(image, True, "obscured") is image
        False
    """

    outputs = ["ui/image_array"]  # noqa: RUF012 Vehicle wants a list

    def __init__(self, *, shown: bool = True, limits: bool = False) -> None:
        self._shown, self._limits = shown, limits
        self._labels: dict[tuple[str, bool, int, int], Pixels] = {}
        self._corner = 0

    @classmethod
    def from_config(cls, cfg: Any) -> "LensOverlay":
        """Build the overlay from the `LENS_*` keys of myconfig.py; LENS_ACTION none shows nothing."""
        action = LensConfig.read(cfg).action
        return cls(shown=action != "none", limits=action in ("slow", "stop"))

    def run(
        self,
        image: Any,
        obscured: Any,
        status: Any,
        calibration: Any = "",
        coverage: Any = 0.0,
        heat_map: Any = None,
    ) -> Any:
        """Return the image, uint8 [H, W, 3], [H, W, 1] or [H, W], or a copy with a label in one of its corners.

        `coverage`, 0…1, and `heat_map`, [h, w] in 0…1, say where the fault is; anything else counts as unknown. When
        the lens is clear, the label is a small green tick.
        """
        # Donkeycar's memory gives None for a channel that nobody fills, such as one mistyped in manage.py.
        coverage = coverage if isinstance(coverage, int | float) and 0 <= coverage <= 1 else 0.0
        heat_map = heat_map if _is_heat_map(heat_map) else None
        if not self._shown or not isinstance(status, str) or not is_image(image):
            return image
        text = _text(obscured, status, calibration, coverage, heat_map)
        if self._limits and obscured is True and status == "still":
            text += f"\n{WHEN_STANDING}"
        if not text and status != "ok":
            return image
        label = self._label(text, obscured is True, image)
        if obscured is True and heat_map is not None:
            self._corner = _corner_beside(heat_map, image, label, self._corner)
        else:
            self._corner = 0
        top, left = _start(self._corner, image, label)
        shown = image.copy()
        covered = shown[top : top + len(label), left : left + label.shape[1]]
        covered[:] = label[: len(covered), : covered.shape[1]].reshape(covered.shape)
        return shown

    def _label(self, text: str, alarm: bool, image: Pixels) -> Pixels:
        """Return the label in the channels and scale of the image. It is drawn once and kept."""
        channels, size = image[0, 0].size, max(1, len(image) // HEIGHT_OF_SIZE_1)
        key = (text, alarm, channels, size)
        if key not in self._labels:
            if len(self._labels) >= LABELS_KEPT:
                self._labels.clear()
            label = _draw_tick() if not text else _draw(text, WHITE, RED) if alarm else _draw(text, BLACK, YELLOW)
            pixels = np.asarray(label if channels == 3 else label.convert("L"))
            self._labels[key] = pixels.repeat(size, 0).repeat(size, 1)
        return self._labels[key]


def _text(obscured: Any, status: str, calibration: Any, coverage: float, heat_map: HeatMap | None) -> str:
    """Return the text of the label; empty when there is nothing to tell."""
    message = (
        textwrap.wrap(calibration, TEXT_CHARACTERS_MAX)[:MESSAGE_LINES_MAX] if isinstance(calibration, str) else []
    )
    lens = f"lens {status}"[:TEXT_CHARACTERS_MAX]
    if obscured is True:
        return "\n".join([_order(coverage, heat_map), *([lens] if status != "obscured" else []), *message])
    if message:
        return "\n".join(message)
    return "" if status in QUIET else lens


def _order(coverage: float, heat_map: HeatMap | None) -> str:
    """Say what to wipe, as `wipe upper left, 12 %`."""
    where = re.sub(r"^(in the|at the|on the|in|almost) ", "", place(coverage, heat_map))
    return f"wipe {where}, {max(round(100 * coverage), 1)} %" if where else "wipe the lens"


def _corner_beside(heat_map: HeatMap, image: Pixels, label: Pixels, now: int) -> int:
    """Return the corner, 0 to 3, in which the label hides least of the fault; the top left if all are free.

    The label stays in the corner where it is `now` unless another is clearly better, so that it does not flicker.
    """

    def hidden(corner: int) -> float:
        rows, columns = (
            slice(start * cells // side, -(-(start + extent) * cells // side))
            for start, extent, cells, side in zip(
                _start(corner, image, label), label.shape, heat_map.shape, image.shape, strict=False
            )
        )
        return float(heat_map[rows, columns].mean())

    best = min(range(4), key=hidden)
    return now if hidden(now) <= hidden(best) + STAYS_WITHIN else best


def _start(corner: int, image: Pixels, label: Pixels) -> tuple[int, int]:
    """Return the first row and column of a label: 0 is the top left, 1 the top right, 2 and 3 are at the bottom."""
    bottom, right = max(len(image) - len(label), 0), max(image.shape[1] - label.shape[1], 0)
    return (corner // 2 * bottom, corner % 2 * right)


def _is_heat_map(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim == 2 and value.size > 0


def _draw(text: str, ink: tuple[int, int, int], paper: tuple[int, int, int]) -> Image.Image:
    font = _font()
    text = text.encode("ascii", "replace").decode()  # all that Pillow's bitmap font has, which it uses without FreeType
    measured = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((3, 2), text, font)
    label = Image.new("RGB", (round(measured[2]) + 3, round(measured[3]) + 3), paper)
    ImageDraw.Draw(label).text((3, 2), text, ink, font)
    return label


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    try:
        return ImageFont.load_default(FONT_SIZE)
    except (TypeError, ImportError):  # Pillow before 10.1, or without FreeType, has one size only
        return ImageFont.load_default()


def _draw_tick() -> Image.Image:
    sign = Image.new("RGB", (TICK_SIDE, TICK_SIDE), GREEN)
    ImageDraw.Draw(sign).line(TICK, WHITE, 2)
    return sign
