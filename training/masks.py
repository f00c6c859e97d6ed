"""Shapes of random lens faults: their masks, the softness of their edges and the thickness of the water."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..edge.frame import SIZE
from .blur import blurred, smooth_noise

Floats = NDArray[np.float32]

BLOB, DISCS, SHEET, PATCHES = range(4)
SHAPE_PROBABILITIES = {  # of blob, discs, sheet and patches, for each fault
    "front_drop": (1.0, 0.0, 0.0, 0.0),
    "beads": (0.0, 1.0, 0.0, 0.0),
    "mud": (0.35, 0.35, 0.0, 0.3),
    "film": (0.0, 0.0, 1.0, 0.0),
    "spatter": (0.0, 1.0, 0.0, 0.0),
    "mixed": (0.3, 0.25, 0.2, 0.25),
    "defocused": (1.0, 0.0, 0.0, 0.0),
}
MARGIN = 8  # pixels around the frame, so that shapes can extend beyond its border
CANVAS = SIZE + 2 * MARGIN
Y, X = np.mgrid[:CANVAS, :CANVAS].astype(np.float32) - MARGIN  # pixels of the frame
QUANTILE_STEP = 3  # pixels; the threshold that gives a shape its coverage is computed on every third pixel
PATCH_NOISE_WEIGHT = 50.0  # relative to the outline: the noise alone shapes patches


class Draw:
    """Random numbers for one fault or window."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def uniform(self, low: float, high: float) -> float:
        """Draw from a uniform distribution."""
        return low + (high - low) * self.rng.random()

    def log_uniform(self, low: float, high: float) -> float:
        """Draw a number whose logarithm is uniformly distributed."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.rng.random() < probability


@dataclass(frozen=True, eq=False)
class Shape:
    """Shape of a fault on the canvas, which is the frame and a margin around it."""

    mask: Floats  # [canvas, canvas], 0…1
    height: Floats  # [canvas, canvas], thickness of the water, 0…1
    softness: float  # pixels, of the mask's edge
    x: float  # pixels of the frame: the centre; for scattered discs, that of the frame
    y: float


def draw_shape(draw: Draw, kind: str) -> Shape:
    """Draw a shape that is typical of this fault, one of `faults.KINDS`."""
    form = int(np.searchsorted(np.cumsum(SHAPE_PROBABILITIES[kind]), draw.rng.random(), side="right"))
    if form == DISCS:
        return _disc_shape(draw, kind)
    coverage = draw.log_uniform(0.015, 0.6)
    if kind == "film":
        coverage = draw.uniform(0.1, 0.95)
    elif kind == "defocused":
        coverage = draw.log_uniform(0.02, 0.45)
    radius = math.sqrt(coverage / math.pi) * SIZE
    x, y = draw.uniform(0, SIZE), draw.uniform(0, SIZE)
    solid = _area(draw, form, coverage, radius, x, y)
    softness = draw.log_uniform(2, 10) if kind == "film" else draw.log_uniform(0.5, 6)
    if kind == "defocused":
        softness = min(draw.log_uniform(1.5, 7), 0.6 * radius)
    roundness = min(max(draw.uniform(0.3, 0.8) * radius, 1.0), 20.0)
    return Shape(blurred(solid, softness).clip(0, 1), blurred(solid, roundness), softness, x, y)


def slopes(height: Floats) -> tuple[Floats, Floats]:
    """Compute the gradient of a height [canvas, canvas] along x and y, scaled to length 1 where it is steepest."""
    slope_y, slope_x = np.gradient(height)
    steepest = max(math.sqrt(float((slope_x * slope_x + slope_y * slope_y).max())), 1e-6)
    return slope_x / np.float32(steepest), slope_y / np.float32(steepest)


def _disc_shape(draw: Draw, kind: str) -> Shape:
    low, high = {"beads": (1.5, 8), "spatter": (0.5, 2.5)}.get(kind, (0.5, 6))
    radius = draw.log_uniform(low, high)
    solid = _discs(draw, radius)
    softness = radius * draw.uniform(0.1, 0.9)
    roundness = min(max(radius * draw.uniform(0.5, 1), 1.0), 20.0)
    return Shape(blurred(solid, softness).clip(0, 1), blurred(solid, roundness), softness, SIZE / 2, SIZE / 2)


def _area(draw: Draw, form: int, coverage: float, radius: float, x: float, y: float) -> Floats:
    """Draw a blob, a sheet or patches around (x, y) with this coverage of the frame, [canvas, canvas], 0 or 1."""
    angle = draw.uniform(0, math.pi)
    stretch = math.sqrt(draw.log_uniform(1, 6) if form == SHEET else draw.log_uniform(1, 1.8))
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    from_x, from_y = X - np.float32(x), Y - np.float32(y)
    along = from_x * cos + from_y * sin
    if form == SHEET and draw.chance(0.5):
        field = along / 20  # one straight edge across the frame
    else:  # the union of two discs, the first of them stretched to an ellipse
        across = from_y * cos - from_x * sin
        field = np.hypot(along / np.float32(stretch), across * np.float32(stretch)) * np.float32(-2 / radius)
        second_x, second_y = draw.uniform(-1.5, 1.5) * radius, draw.uniform(-1.5, 1.5) * radius
        second = np.hypot(from_x - np.float32(second_x), from_y - np.float32(second_y)) * np.float32(-2 / radius)
        field = np.maximum(field, second - np.float32(draw.uniform(0, 1.5)))
    bump_width = radius * draw.uniform(0.2, 0.5) if form == BLOB else draw.log_uniform(2, 12)
    weight = PATCH_NOISE_WEIGHT if form == PATCHES else draw.uniform(0, 0.5)
    field = field + np.float32(weight) * smooth_noise(draw.rng, CANVAS, min(max(bump_width, 1.0), 20.0))
    sampled = field[MARGIN:-MARGIN:QUANTILE_STEP, MARGIN:-MARGIN:QUANTILE_STEP].ravel()
    rank = int((1 - coverage) * (sampled.size - 1))
    return (field > np.partition(sampled, rank)[rank]).astype(np.float32)


def _discs(draw: Draw, radius: float) -> Floats:
    """Draw scattered or clustered discs of about this radius, [canvas, canvas], 0…1."""
    density = np.float32(draw.log_uniform(0.01, 0.4) / (math.pi * radius**2))
    seeds = draw.rng.random((CANVAS, CANVAS), dtype=np.float32)
    if draw.chance(0.5):
        seeds /= np.exp(1.5 * smooth_noise(draw.rng, CANVAS, draw.log_uniform(6, 25)) - 1.1)
    centres = np.nonzero(seeds < density)
    field = np.zeros((CANVAS, CANVAS), np.float32)
    field[centres] = np.exp(draw.rng.random(len(centres[0]), dtype=np.float32) * 1.5 - 0.3)
    bumps = blurred(field, radius) * np.float32(2 * math.pi * radius**2)
    return bumps.clip(0, 1) if radius < 0.9 else (bumps > 0.75).astype(np.float32)
