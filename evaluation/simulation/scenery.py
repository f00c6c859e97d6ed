"""Textures of the generated room: its floor, walls and ceiling, and the visible parts of the car."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

Floats = NDArray[np.float32]
Colour = tuple[int, ...]

HEIGHT, WIDTH = 120, 160  # of a camera frame, pixels
FLOOR_TEXEL_M, WALL_TEXEL_M, CEILING_TEXEL_M = 0.008, 0.016, 0.04
LEVELS = 6  # copies of each surface, each at half the resolution of the one before
LINE_POINTS = 1000
FLOORS = (
    ((158, 138, 116), 7.0),
    ((146, 152, 146), 4.0),
    ((196, 196, 204), 4.0),
    ((92, 62, 58), 8.0),
    ((96, 100, 112), 9.0),
)  # colour and grain of planks, concrete, sheet, dark planks, carpet
PAINTS = ((236, 116, 60), (232, 232, 226), (222, 190, 60), (60, 130, 90))


def _speckle(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[float, float]) -> Floats:
    """Generate noise [h, w] with a standard deviation near 1 whose grains are `cells` (rows, columns) texels large."""
    coarse = rng.standard_normal([int(np.ceil(n / cell)) + 2 for n, cell in zip(shape, cells, strict=True)])
    fine = ndimage.zoom(coarse.astype(np.float32), cells, order=1)
    return fine[: shape[0], : shape[1]]


def _colour(rng: np.random.Generator, dark: int = 25, bright: int = 215, saturation: float | None = None) -> Colour:
    """Draw a random colour, mostly of low saturation."""
    tint = rng.choice([0.06, 0.1, 0.1, 0.4]) if saturation is None else saturation
    rgb = rng.uniform(dark, bright) * (1 + tint * rng.uniform(-1, 1, 3))
    return tuple(int(c) for c in np.clip(rgb, 0, 255))


def floor(rng: np.random.Generator, size_m: NDArray[np.float64], line_m: NDArray[np.float64]) -> Floats:
    """Draw the floor with the marked track [h, w, 3], textured in some places and bare in others."""
    base, grain = FLOORS[rng.integers(len(FLOORS))]
    width, height = (int(np.ceil(m / FLOOR_TEXEL_M)) for m in size_m[:2])
    shape = (height, width)
    width, height = 2 * width, 2 * height  # drawn finer, for smooth edges
    image = Image.new("RGB", (width, height), base)
    draw = ImageDraw.Draw(image)
    joint = tuple(int(0.7 * c) for c in base)
    for y in np.arange(0, height, rng.uniform(24, 120)):
        draw.line([(0, y), (width, y)], fill=joint, width=2)
    for _ in range(rng.integers(2, 7)):  # stray tape and cables
        ends = [tuple(rng.uniform((0, 0), (width, height))) for _ in range(2)]
        draw.line(ends, fill=_colour(rng), width=int(rng.integers(2, 8)))
    paint = PAINTS[rng.integers(len(PAINTS))]
    half_lane_m, tape = rng.choice([0.0, 0.32, 0.4]), int(rng.integers(7, 16))
    for offset_m in {-half_lane_m, half_lane_m}:
        _stroke(draw, line_m, offset_m, paint, tape)
    if half_lane_m:
        for start in range(0, len(line_m) - 12, 24):
            _stroke(draw, line_m[start : start + 12], 0.0, (228, 206, 120), tape)
    bare = 1 / (1 + np.exp(-2 * _speckle(rng, shape, (90, 90))))  # 0 bare, 1 textured
    texture = sum(_speckle(rng, shape, cells) for cells in ((2, 2), (3, 24), (10, 14)))
    shade = 1 + 0.10 * _speckle(rng, shape, (130, 130)) + 0.05 * _speckle(rng, shape, (40, 40))
    for _ in range(rng.integers(2, 6)):  # sunlight and shadows
        y, x, side = *rng.uniform((0, 0), shape), rng.uniform(60, 250)
        shade[int(y) : int(y + side), int(x) : int(x + 0.6 * side)] *= rng.choice([0.6, 0.75, 1.3])
    shade = ndimage.gaussian_filter(shade, 4.0)
    marked = np.asarray(image.reduce(2), np.float32) + (grain * texture * bare)[..., None]
    return marked * np.maximum(shade, 0.4)[..., None]


def _stroke(draw: ImageDraw.ImageDraw, line_m: NDArray[np.float64], offset_m: float, paint: Colour, width: int) -> None:
    """Draw the line, moved sideways by `offset_m`; closed if it is the whole track."""
    along = np.gradient(line_m, axis=0)
    sideways = np.stack((-along[:, 1], along[:, 0]), axis=1) / np.hypot(*along.T)[:, None]
    points = [tuple(p) for p in (line_m + offset_m * sideways) / (FLOOR_TEXEL_M / 2)]
    if len(points) == LINE_POINTS:
        points.append(points[0])
    draw.line(points, fill=paint, width=width, joint="curve")


def walls(rng: np.random.Generator, size_m: NDArray[np.float64]) -> Floats:
    """Draw all four walls, unrolled [h, w, 3], row 0 at the ceiling: paint, windows, pictures, furniture."""
    width, height = (int(np.ceil(m / WALL_TEXEL_M)) for m in (2 * (size_m[0] + size_m[1]), size_m[2]))
    image = Image.new("RGB", (width, height), _colour(rng, 140, 210, saturation=0.06))
    draw = ImageDraw.Draw(image)
    for x in np.cumsum(rng.uniform(60, 260, size=width // 60)):  # another paint, a door, a curtain
        if rng.random() < 0.4:
            draw.rectangle((x, rng.choice([0, 30]), x + rng.uniform(40, 160), height), fill=_colour(rng, 60))
        if rng.random() < 0.4:
            top = rng.uniform(10, 0.4 * height)
            pane = (250, 250, 245) if rng.random() < 0.6 else _colour(rng)
            box = (x, top, x + rng.uniform(30, 110), top + rng.uniform(25, 80))
            draw.rectangle(box, fill=pane, outline=_colour(rng))
    for x in np.cumsum(rng.uniform(8, 90, size=width // 40)):  # tables, chairs, boxes, bins
        tall, wide, foot = rng.uniform(12, 75), rng.uniform(8, 60), rng.choice([0, 0, 20])
        draw.rectangle((x, height - tall, x + wide, height - min(foot, tall)), fill=_colour(rng))
        for leg in (x + 2, x + wide - 3):
            draw.rectangle((leg, height - tall, leg + 2, height), fill=_colour(rng, 20, 90))
    draw.rectangle((0, height - 5, width, height), fill=_colour(rng, 40, 120))
    shape = (height, width)
    grain = 3 * _speckle(rng, shape, (2, 2)) + 6 * _speckle(rng, shape, (20, 30))
    shade = 1 + 0.12 * _speckle(rng, shape, (120, 160))
    return (np.asarray(image, np.float32) + grain[..., None]) * shade[..., None]


def ceiling(rng: np.random.Generator, size_m: NDArray[np.float64]) -> Floats:
    """Draw the ceiling with rows of lamps [h, w, 3]."""
    width, height = (int(np.ceil(m / CEILING_TEXEL_M)) for m in size_m[:2])
    image = Image.new("RGB", (width, height), _colour(rng, 110, 190, saturation=0.05))
    draw = ImageDraw.Draw(image)
    gap, long, wide = rng.uniform(35, 60), rng.uniform(12, 30), rng.uniform(3, 12)
    for x in np.arange(gap / 2, width, gap):
        for y in np.arange(gap / 2, height, gap):
            draw.rectangle((x, y, x + wide, y + long), fill=(255, 255, 250))
    return np.asarray(image, np.float32) + 3 * _speckle(rng, (height, width), (3, 3))[..., None]


def with_coarser_copies(surfaces: tuple[Floats, ...]) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """Return the texels of all mipmap levels [n, 3], with the start [surface, level] and shape [.., .., 2] of each."""
    texels, starts, shapes, count = [], [], [], 0
    for surface in surfaces:
        for _ in range(LEVELS):
            surface = np.clip(surface, 0, 255)
            texels.append(surface.reshape(-1, 3))
            starts.append(count)
            shapes.append(surface.shape[:2])
            count += len(texels[-1])
            even = surface[: surface.shape[0] // 2 * 2, : surface.shape[1] // 2 * 2]
            surface = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    return (
        np.concatenate(texels).astype(np.float32),
        np.array(starts).reshape(-1, LEVELS),
        np.array(shapes).reshape(-1, LEVELS, 2),
    )


def car(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw the visible parts of the car: colour times opacity [H, W, 3], and opacity [H, W, 1]."""
    kind, dip = rng.integers(3), rng.uniform(0, 8)
    image = Image.new("RGBA", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    black = (28, 30, 34, 255)
    if kind == 0:  # front wheels
        for x in (-6, WIDTH - 30):
            draw.ellipse((x, HEIGHT - 16 + dip, x + 36, HEIGHT + 20), fill=black)
            tread = (x + 5, HEIGHT - 11 + dip, x + 31, HEIGHT + 18)
            draw.arc(tread, 180, 360, fill=(62, 62, 66, 255), width=2)
    elif kind == 1:  # bumper with two posts
        draw.rounded_rectangle((34, HEIGHT - 8 + dip / 2, WIDTH - 34, HEIGHT + 20), 8, fill=black)
        for foot, tip in ((50, 40), (WIDTH - 50, WIDTH - 40)):
            draw.line([(foot, HEIGHT), (tip, HEIGHT - 22)], fill=black, width=4)
    seen = ndimage.gaussian_filter(np.asarray(image, np.float32), (0.7, 0.7, 0))
    share = seen[..., 3:] / 255
    return seen[..., :3], share
