"""Random lens faults for training on 80×80 grey frames, one at a time.

The faults are varied, not physically exact: a soft mask of any shape and size, behind which the scene is displaced,
blurred and dimmed and light is added. The renderers of `optics` trace light through water instead; the evaluation uses
those, so it measures whether a network trained on these faults detects others. All faults are affine in the scene.
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

# The first five have the names of the families in `optics`.
KINDS = ("front_drop", "beads", "mud", "film", "spatter", "mixed", "defocused")
CLEAR = ("front_drop", "beads", "defocused")  # always water; mixed and spatter are water or dirt, which scatters light
CLEAR_TRANSMISSION, FILM_TRANSMISSION, DIRT_TRANSMISSION = (0.8, 1.08), (0.35, 0.95), (0.0, 0.85)
OPACITY_MIN = 1 / 255  # less is below one grey level
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float32)


@dataclass(frozen=True, eq=False)
class Fault:
    """A fault at full strength: out = scene + opacity · (transmission · displaced(blurred(scene)) + light − scene).

    All arrays are [80, 80].
    """

    mask: Floats  # 0…1, where the fault is
    opacity: Floats  # 0…1
    transmission: Floats
    light: Floats  # grey levels, 0…1
    blur: float  # pixels, of the scene behind the fault
    lookup: tuple[Floats, Floats] | None  # pixels, x and y of the scene point seen at each pixel; None: no displacement

    def render(self, scenes: Floats, strength: Floats, *, add_light: bool = True) -> None:
        """Render the fault in place on grey frames [N, 80, 80], each with its own strength [N] in 0…1.

        Differences of frames are rendered with `add_light=False`, which drops the constant term.
        """
        box = _bounding_box(self.opacity)
        opacity, transmission = self.opacity[box], self.transmission[box]
        light = self.light[box] if add_light else np.float32(0)
        lookup = None if self.lookup is None else [np.ascontiguousarray(axis[box]) for axis in self.lookup]
        for scene, amount in zip(scenes, strength.tolist(), strict=True):
            if amount == 0:
                continue
            behind = blurred(scene, self.blur)
            if lookup is None:
                behind = behind[box]
            else:
                remapped = cv2.remap(behind, lookup[0], lookup[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
                behind = np.asarray(remapped, np.float32)
            covered = scene[box]
            change = behind * transmission + light - covered
            covered += change * (opacity if amount == 1 else opacity * np.float32(amount))


def random_fault(rng: np.random.Generator, kind: str) -> Fault:
    """Draw a fault, one of KINDS. The same state of `rng` gives the same fault."""
    draw = Draw(rng)
    shape = draw_shape(draw, kind)
    clear = kind in CLEAR or (kind in ("mixed", "spatter") and draw.chance(0.45))
    transmitted = CLEAR_TRANSMISSION if clear else FILM_TRANSMISSION if kind == "film" else DIRT_TRANSMISSION
    transmission = np.full((CANVAS, CANVAS), draw.uniform(*transmitted), np.float32)
    shade = np.full((CANVAS, CANVAS), draw.uniform(0, 1), np.float32)
    if draw.chance(0.6):
        texture = smooth_noise(rng, CANVAS, draw.log_uniform(0.6, 8)) * np.float32(draw.uniform(0, 0.4))
        transmission *= 1 + np.float32(0.5) * texture
        shade *= 1 + texture
    np.clip(transmission, 0, 1.2, out=transmission)
    np.clip(shade, 0, 1, out=shade)
    light = shade * (np.float32(draw.uniform(0, 0.1)) if clear else 1 - np.minimum(transmission, 1))
    rim = 4 * shape.mask * (1 - shape.mask)  # 1 where the mask is one half
    if kind in ("beads", "mixed"):
        transmission *= 1 - np.float32(draw.uniform(-0.2, 0.6)) * rim
    if kind == "defocused":
        light += _rim_light(draw, shape, rim)
    opacity = shape.mask * np.float32(draw.uniform(0.4, 1) if draw.chance(0.3) else 1.0)
    blur = _draw_blur(draw, kind, shape)
    lookup = _draw_lookup(draw, kind, shape)
    return Fault(_crop(shape.mask), _crop(opacity), _crop(transmission), _crop(light), blur, lookup)


def _draw_blur(draw: Draw, kind: str, shape: Shape) -> float:
    if kind == "defocused":  # the lens focuses on the scene, so the drop blurs it several times more than its own edge
        return min(max(shape.softness * draw.log_uniform(1, 4), 2.0), 14.0)
    if kind in ("mixed", "spatter", "mud") and draw.chance(0.4):
        return 0.0
    return draw.log_uniform(0.6, 4) if kind == "film" else draw.log_uniform(0.7, 8)


def _draw_lookup(draw: Draw, kind: str, shape: Shape) -> tuple[Floats, Floats] | None:
    """Draw the x and y of the scene point seen at each pixel, or None where the fault does not displace the scene."""
    if kind == "defocused" and draw.chance(0.6):
        return _inverted_lookup(draw, shape)
    displacement = 0.0
    if kind in CLEAR:
        displacement = draw.log_uniform(1, 14)
    elif kind in ("mixed", "spatter") and draw.chance(0.6):
        displacement = draw.log_uniform(0.5, 10)
    if not displacement:
        return None
    slope_x, slope_y = slopes(shape.height)
    signed = np.float32(displacement if draw.chance(0.8) else -displacement)
    return COLUMNS + signed * _crop(slope_x), ROWS + signed * _crop(slope_y)


def _inverted_lookup(draw: Draw, shape: Shape) -> tuple[Floats, Floats]:
    """Draw the lookup of a drop that acts as a lens of short focal length: its surroundings appear upside down."""
    offset_x, offset_y = draw.uniform(-8, 8), draw.uniform(-8, 8)
    reduction_x, reduction_y = draw.log_uniform(0.3, 2), draw.log_uniform(0.3, 2)
    mask = _crop(shape.mask)
    at_x = shape.x + offset_x - np.float32(reduction_x) * (COLUMNS - np.float32(shape.x))
    at_y = shape.y + offset_y - np.float32(reduction_y) * (ROWS - np.float32(shape.y))
    return COLUMNS + mask * (at_x - COLUMNS), ROWS + mask * (at_y - ROWS)


def _rim_light(draw: Draw, shape: Shape, rim: Floats) -> Floats:
    """Draw light along one side of a drop, [canvas, canvas].

    It is more often the lower side: a drop shows the scene upside down, and so the sky at its bottom.
    """
    slope_x, slope_y = slopes(shape.height)
    angle = draw.uniform(-0.8, 0.8) + (math.pi / 2 if draw.chance(0.7) else -math.pi / 2)
    towards_light = slope_x * np.float32(math.cos(angle)) + slope_y * np.float32(math.sin(angle))
    amount = draw.uniform(0, 0.35) if draw.chance(0.6) else 0.0
    return np.float32(amount) * np.maximum(-towards_light, 0) * (np.float32(0.5) + np.float32(0.5) * rim)


def _bounding_box(opacity: Floats) -> tuple[slice, slice]:
    """Find the rows and columns that contain the fault; one pixel if there are none."""
    visible = opacity > OPACITY_MIN
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _crop(canvas: Floats) -> Floats:
    """Cut the margin off."""
    return canvas[MARGIN:-MARGIN, MARGIN:-MARGIN]
