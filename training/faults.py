"""Random lens faults for training on 80×80 grey frames, one at a time.

Made to be various, not to be right: a mask of any shape and size, softened; behind it the scene bent and blurred by
any amount, dimmed, and light added. The lab's renderers (`optics`) trace light through water; that a detector which
was trained on these finds those is what the evaluation shows. All faults are affine in the scene.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..edge.frame import SIZE
from .blur import blurred, smooth_noise
from .masks import CANVAS, MARGIN, Draw, Shape, draw_shape, slopes

Floats = NDArray[np.float32]

KINDS = ("front_drop", "beads", "mud", "film", "spatter", "mixed", "defocused")  # the first five as the lab's families
CLEAR = ("front_drop", "beads", "defocused")  # water; the others are dirt, which adds its own light, or either
CLEAR_THROUGH, FILM_THROUGH, DIRT_THROUGH = (0.8, 1.08), (0.35, 0.95), (0.0, 0.85)  # share of the light
OPAQUE = 1 / 255  # less opacity changes nothing that a camera could see
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float32)


@dataclass(frozen=True)
class Fault:
    """out = scene + opacity · (transmission · bent(scene) + light − scene); fields [80, 80] but for the lookup."""

    mask: Floats  # 0…1, where the fault is
    opacity: Floats  # 0…1
    transmission: Floats
    light: Floats  # grey levels, 0…1
    blur: float  # pixels, of the scene behind it
    lookup: tuple[Floats, Floats] | None  # where the scene is seen, x and y in pixels; None where nothing bends

    def render(self, scenes: Floats, strength: Floats, *, lit: bool = True) -> None:
        """Put it over grey frames [N, 80, 80], each at a strength [N] of 0…1, in place; without its own light over
        differences of frames.
        """
        box = _box(self.opacity)
        opacity, transmission = self.opacity[box], self.transmission[box]
        light = self.light[box] if lit else np.float32(0)
        lookup = None if self.lookup is None else [np.ascontiguousarray(axis[box]) for axis in self.lookup]
        for scene, share in zip(scenes, strength.tolist(), strict=True):
            if share == 0:
                continue
            behind = blurred(scene, self.blur)
            if lookup is None:
                behind = behind[box]
            else:
                behind = cv2.remap(behind, lookup[0], lookup[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            there = scene[box]
            there += (behind * transmission + light - there) * (opacity if share == 1 else opacity * np.float32(share))


def random_fault(rng: np.random.Generator, kind: str) -> Fault:
    """A fault of one of KINDS; another for each state of `rng`."""
    draw = Draw(rng)
    shape = draw_shape(draw, kind)
    small = kind in ("mixed", "spatter")
    clear = kind in CLEAR or (small and draw.chance(0.45))
    through = draw.between(*(CLEAR_THROUGH if clear else FILM_THROUGH if kind == "film" else DIRT_THROUGH))
    transmission = np.full((CANVAS, CANVAS), through, np.float32)
    shade = np.full((CANVAS, CANVAS), draw.between(0, 1), np.float32)
    if draw.chance(0.6):
        texture = smooth_noise(rng, CANVAS, draw.scale(0.6, 8)) * np.float32(draw.between(0, 0.4))
        transmission *= 1 + np.float32(0.5) * texture
        shade *= 1 + texture
    np.clip(transmission, 0, 1.2, out=transmission)
    np.clip(shade, 0, 1, out=shade)
    light = shade * (np.float32(draw.between(0, 0.1)) if clear else 1 - np.minimum(transmission, 1))
    rim = 4 * shape.mask * (1 - shape.mask)  # 1 where the mask is half there
    if kind in ("beads", "mixed"):
        transmission *= 1 - np.float32(draw.between(-0.2, 0.6)) * rim
    if kind == "defocused":
        light += _lit_rim(draw, shape, rim)
    opacity = shape.mask * np.float32(draw.between(0.4, 1) if draw.chance(0.3) else 1.0)
    blur = _blur(draw, kind, shape)
    lookup = _lookup(draw, kind, shape)
    return Fault(_inside(shape.mask), _inside(opacity), _inside(transmission), _inside(light), blur, lookup)


def _blur(draw: Draw, kind: str, shape: Shape) -> float:
    if kind == "defocused":  # the scene is out of focus by several times what the drop's edge is
        return min(max(shape.softness * draw.scale(1, 4), 2.0), 14.0)
    if kind in ("mixed", "spatter", "mud") and draw.chance(0.4):
        return 0.0
    return draw.scale(0.6, 4) if kind == "film" else draw.scale(0.7, 8)


def _lookup(draw: Draw, kind: str, shape: Shape) -> tuple[Floats, Floats] | None:
    """Where the scene behind each pixel is seen, x and y; None where nothing is bent."""
    if kind == "defocused" and draw.chance(0.6):
        return _mirrored(draw, shape)
    push = 0.0
    if kind in CLEAR:
        push = draw.scale(1, 14)
    elif kind in ("mixed", "spatter") and draw.chance(0.6):
        push = draw.scale(0.5, 10)
    if not push:
        return None
    slope_x, slope_y = slopes(shape.height)
    signed = np.float32(push if draw.chance(0.8) else -push)
    return COLUMNS + signed * _inside(slope_x), ROWS + signed * _inside(slope_y)


def _mirrored(draw: Draw, shape: Shape) -> tuple[Floats, Floats]:
    """A drop is a short lens: it shows what lies around it upside down, and smaller."""
    middle_x, middle_y = draw.between(-8, 8), draw.between(-8, 8)
    smaller_x, smaller_y = draw.scale(0.3, 2), draw.scale(0.3, 2)
    share = _inside(shape.mask)
    at_x = shape.x + middle_x - np.float32(smaller_x) * (COLUMNS - np.float32(shape.x))
    at_y = shape.y + middle_y - np.float32(smaller_y) * (ROWS - np.float32(shape.y))
    return COLUMNS + share * (at_x - COLUMNS), ROWS + share * (at_y - ROWS)


def _lit_rim(draw: Draw, shape: Shape, rim: Floats) -> Floats:
    """Light that gathers on one side of a drop, mostly the lower: it shows the scene upside down. [canvas, canvas]."""
    slope_x, slope_y = slopes(shape.height)
    angle = draw.between(-0.8, 0.8) + (math.pi / 2 if draw.chance(0.7) else -math.pi / 2)
    towards = slope_x * np.float32(math.cos(angle)) + slope_y * np.float32(math.sin(angle))
    amount = draw.between(0, 0.35) if draw.chance(0.6) else 0.0
    return np.float32(amount) * np.maximum(-towards, 0) * (np.float32(0.5) + np.float32(0.5) * rim)


def _box(opacity: Floats) -> tuple[slice, slice]:
    """The rows and columns that hold the fault."""
    there = opacity > OPAQUE
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _inside(canvas: Floats) -> Floats:
    return canvas[MARGIN:-MARGIN, MARGIN:-MARGIN]
