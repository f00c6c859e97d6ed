"""Shapes of random lens faults: where a fault is, how soft its edge, and how high the water stands there."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..edge.frame import SIZE
from .blur import blurred, smooth_noise

Floats = NDArray[np.float32]

BLOB, DISCS, SHEET, PATCHES = range(4)
SHAPE_SHARES = {  # of blob, discs, sheet and patches, for each kind
    "front_drop": (1.0, 0.0, 0.0, 0.0),
    "beads": (0.0, 1.0, 0.0, 0.0),
    "mud": (0.35, 0.35, 0.0, 0.3),
    "film": (0.0, 0.0, 1.0, 0.0),
    "spatter": (0.0, 1.0, 0.0, 0.0),
    "mixed": (0.3, 0.25, 0.2, 0.25),
    "defocused": (1.0, 0.0, 0.0, 0.0),
}
MARGIN = 8  # around the frame, so that shapes go on beyond its border
CANVAS = SIZE + 2 * MARGIN
Y, X = np.mgrid[:CANVAS, :CANVAS].astype(np.float32) - MARGIN
SAMPLED_STEP = 3  # pixels between those that the level of a shape is found from
PATCHINESS = 50.0  # weight of the noise against the outline, where nothing but noise shapes a fault


class Draw:
    """Random numbers of one fault or window."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def between(self, low: float, high: float) -> float:
        """Evenly distributed."""
        return low + (high - low) * self.rng.random()

    def scale(self, low: float, high: float) -> float:
        """Evenly distributed in the logarithm."""
        return math.exp(self.between(math.log(low), math.log(high)))

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return self.rng.random() < share


@dataclass(frozen=True)
class Shape:
    """Fields [canvas, canvas], 0…1."""

    mask: Floats
    height: Floats  # of the water
    softness: float  # of the mask's edge, pixels
    x: float  # of the middle, where there is one, in pixels of the frame
    y: float


def draw_shape(draw: Draw, kind: str) -> Shape:
    """A shape as the kind of fault has it."""
    form = int(np.searchsorted(np.cumsum(SHAPE_SHARES[kind]), draw.rng.random(), side="right"))
    if form == DISCS:
        return _disc_shape(draw, kind)
    coverage = draw.scale(0.015, 0.6)
    if kind == "film":
        coverage = draw.between(0.1, 0.95)
    elif kind == "defocused":
        coverage = draw.scale(0.02, 0.45)
    size = math.sqrt(coverage / math.pi) * SIZE
    x, y = draw.between(0, SIZE), draw.between(0, SIZE)
    solid = _area(draw, form, coverage, size, x, y)
    softness = draw.scale(2, 10) if kind == "film" else draw.scale(0.5, 6)
    if kind == "defocused":
        softness = min(draw.scale(1.5, 7), 0.6 * size)
    roundness = min(max(draw.between(0.3, 0.8) * size, 1.0), 20.0)
    return Shape(blurred(solid, softness).clip(0, 1), blurred(solid, roundness), softness, x, y)


def slopes(height: Floats) -> tuple[Floats, Floats]:
    """The direction of the slope of a height [canvas, canvas] along x and y, 1 long where it is steepest."""
    slope_y, slope_x = np.gradient(height)
    steepest = max(math.sqrt(float((slope_x * slope_x + slope_y * slope_y).max())), 1e-6)
    return slope_x / np.float32(steepest), slope_y / np.float32(steepest)


def _disc_shape(draw: Draw, kind: str) -> Shape:
    low, high = {"beads": (1.5, 8), "spatter": (0.5, 2.5)}.get(kind, (0.5, 6))
    radius = draw.scale(low, high)
    solid = _discs(draw, radius)
    softness = radius * draw.between(0.1, 0.9)
    roundness = min(max(radius * draw.between(0.5, 1), 1.0), 20.0)
    return Shape(blurred(solid, softness).clip(0, 1), blurred(solid, roundness), softness, SIZE / 2, SIZE / 2)


def _area(draw: Draw, form: int, coverage: float, size: float, x: float, y: float) -> Floats:
    """A blob, a sheet or patches around (x, y) that cover this share of the frame, [canvas, canvas], 0 or 1."""
    angle = draw.between(0, math.pi)
    stretch = math.sqrt(draw.scale(1, 6) if form == SHEET else draw.scale(1, 1.8))
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    from_x, from_y = X - np.float32(x), Y - np.float32(y)
    along = from_x * cos + from_y * sin
    if form == SHEET and draw.chance(0.5):
        field = along / 20
    else:
        across = from_y * cos - from_x * sin
        field = np.hypot(along / np.float32(stretch), across * np.float32(stretch)) * np.float32(-2 / size)
        beside_x, beside_y = draw.between(-1.5, 1.5) * size, draw.between(-1.5, 1.5) * size
        second = np.hypot(from_x - np.float32(beside_x), from_y - np.float32(beside_y)) * np.float32(-2 / size)
        field = np.maximum(field, second - np.float32(draw.between(0, 1.5)))
    bumps = size * draw.between(0.2, 0.5) if form == BLOB else draw.scale(2, 12)
    weight = PATCHINESS if form == PATCHES else draw.between(0, 0.5)
    field = field + np.float32(weight) * smooth_noise(draw.rng, CANVAS, min(max(bumps, 1.0), 20.0))
    sampled = field[MARGIN:-MARGIN:SAMPLED_STEP, MARGIN:-MARGIN:SAMPLED_STEP].ravel()
    place = int((1 - coverage) * (sampled.size - 1))
    return (field > np.partition(sampled, place)[place]).astype(np.float32)


def _discs(draw: Draw, radius: float) -> Floats:
    """Scattered or clustered discs about this large, [canvas, canvas], 0…1."""
    density = np.float32(draw.scale(0.01, 0.4) / (math.pi * radius**2))
    seeds = draw.rng.random((CANVAS, CANVAS), dtype=np.float32)
    if draw.chance(0.5):
        seeds /= np.exp(1.5 * smooth_noise(draw.rng, CANVAS, draw.scale(6, 25)) - 1.1)
    cells = np.nonzero(seeds < density)
    field = np.zeros((CANVAS, CANVAS), np.float32)
    field[cells] = np.exp(draw.rng.random(len(cells[0]), dtype=np.float32) * 1.5 - 0.3)
    bumps = blurred(field, radius) * np.float32(2 * math.pi * radius**2)
    return bumps.clip(0, 1) if radius < 0.9 else (bumps > 0.75).astype(np.float32)
