"""What happens to the frames of a window that is no lens fault: all of it moves with the scene or is over soon.

All is done in place.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..edge.frame import SIZE
from ..edge.graph import TIME_CONSTANTS_S
from .blur import blurred
from .masks import Draw

Floats = NDArray[np.float32]

SMEARED_SHARE, SMEAR_X, SMEAR_Y = 0.25, 3.0, 1.0  # of the windows; pixels
LIT_SHARE = 0.2
GLOSSY_SHARE, REFLECTIONS = 0.2, 4  # of the windows; of each at most
SURFACES_SHARE, SURFACES = 0.75, 3  # of the windows; of each
BETWEEN_S = (0.05, 0.15)  # deviation of a smear that joins the places of a surface in the frames of either average
SLOPE_MAX = 0.25  # of the shade from the middle of a surface to its side
STEP_SHARE = 0.2  # of the windows: the exposure jumps within
NOISE_MAX = 0.015  # grey levels of 1
NOISE_BANK = 2**20  # normal numbers that all noise is cut from: drawing new ones took a quarter of the time
SUBPIXEL = 4  # bits of a corner's position
FRAME_S = 0.05  # between the car's frames
ALL_SQUARES = tuple(
    FRAME_S / (2 * time_constant_s) for time_constant_s in TIME_CONSTANTS_S
)  # sums of the squared weights of all frames
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """The frames of a window."""

    grey: Floats  # [K, 80, 80] in 0…1, newest first
    rest: Floats  # [2, 80, 80] what the mean of all frames has beyond the mean of these, in either average
    ages_s: Floats  # [K]
    weights: Floats  # [2, K] in either average


def smear(draw: Draw, scene: Scene) -> None:
    """Blur some windows by motion, each frame by another amount."""
    if not draw.chance(SMEARED_SHARE):
        return
    most_y, most_x = SMEAR_Y * draw.rng.random(), SMEAR_X * draw.rng.random()
    for frame, (share_y, share_x) in zip(scene.grey, draw.rng.random((len(scene.grey), 2)).tolist(), strict=True):
        frame[:] = blurred(frame, share_y * most_y, share_x * most_x)
    for rest in scene.rest:
        rest[:] = blurred(rest, most_y / 2, most_x / 2)


def light_up(draw: Draw, scene: Scene) -> None:
    """Put moving glare or a shadow into some windows, and a glossy floor's soft, slow reflections into some."""
    frames, ages_s = scene.grey, scene.ages_s
    if draw.chance(LIT_SHARE):
        bump = _bump(_path(draw, ages_s, draw.scale(15, 150), flat=1.0), draw.scale(3, 25), draw.scale(3, 25))
        amount = np.float32(draw.between(-0.6, 0.8))
        frames += amount * bump if amount > 0 else frames * amount * bump
    if draw.chance(GLOSSY_SHARE):
        for _ in range(int(draw.rng.integers(1, REFLECTIONS + 1))):
            path = _path(draw, ages_s, draw.scale(1, 40), flat=0.5)
            frames += np.float32(draw.between(-0.1, 0.25)) * _bump(path, draw.scale(2, 15), draw.scale(3, 30))


def _bump(path: tuple[Floats, Floats], radius_x: float, radius_y: float) -> Floats:
    """A flat-topped patch with soft edges along a path, [K, 80, 80], 0…1."""
    at_x, at_y = path
    squares = np.square((COLUMNS - at_x[:, None, None]) * np.float32(1 / radius_x))
    squares += np.square((ROWS - at_y[:, None, None]) * np.float32(1 / radius_y))
    return cv2.exp((np.float32(-0.5) * squares * squares).reshape(-1, SIZE)).reshape(squares.shape)


def pass_surfaces(draw: Draw, scene: Scene) -> None:
    """Let calm surfaces of one shade with sharp edges pass with the scene: nothing to see on them is no fault.

    Walls, boards, furniture, up to as large as the frame and slow enough to stay in it for longer than the memory: a
    network that has not met them in its own drive calls the next bare wall a drop.
    """
    if not draw.chance(SURFACES_SHARE):
        return
    for _ in range(SURFACES):
        _pass_surface(draw, scene)


def _pass_surface(draw: Draw, scene: Scene) -> None:
    frames, ages_s = scene.grey, scene.ages_s
    speed = draw.scale(3, 60)
    at_x, at_y = _path(draw, ages_s, speed, flat=0.5)
    tilt = draw.between(-0.3, 0.3)
    cos, sin = math.cos(tilt), math.sin(tilt)
    nearer = np.exp(-draw.between(-0.25, 0.25) * ages_s)
    width, height = draw.scale(8, 80), draw.scale(8, 80)
    corners = np.array([(-width, -height), (width, -height), (width, height), (-width, height)], np.float32) / 2
    corners = corners @ np.array([(cos, sin), (-sin, cos)], np.float32)  # [4, 2], x and y around the middle
    outlines = corners * nearer[:, None, None] + np.stack([at_x, at_y], 1)[:, None]  # [K, 4, 2]
    inside = np.zeros(frames.shape, np.uint8)
    for field, outline in zip(inside, np.rint(outlines * 2**SUBPIXEL).astype(np.int32), strict=True):
        cv2.fillConvexPoly(field, outline, (255,), cv2.LINE_AA, SUBPIXEL)
    shade = draw.between(0.05, 0.95)
    steep = draw.between(-1, 1) * min(SLOPE_MAX, shade, 1 - shade) / width
    plane = (COLUMNS * np.float32(cos) + ROWS * np.float32(sin)) * np.float32(steep)
    middle = np.float32(shade) - (at_x * np.float32(cos) + at_y * np.float32(sin)) * np.float32(steep)
    towards = plane + middle[:, None, None]
    towards -= frames
    towards *= inside
    towards *= np.float32(1 / 255)
    frames += towards
    masks, steps = inside.reshape(len(inside), -1).astype(np.float32), towards.reshape(len(towards), -1)
    for rest, of_span, between_s in zip(scene.rest, scene.weights, BETWEEN_S, strict=True):
        rest *= 1 - (of_span @ masks).reshape(rest.shape) * np.float32(1 / 255)  # what is left in sight on average
        traces = (of_span @ steps).reshape(rest.shape)  # a ghost for each frame, where a car's average has a smear
        rest += blurred(traces, 0.5 * speed * between_s, speed * between_s) - traces


def _path(draw: Draw, ages_s: Floats, speed: float, flat: float) -> tuple[Floats, Floats]:
    """Where something is that moves at `speed` pixels a second, x and y [K]; `flat` slows it vertically."""
    angle = draw.between(0, 2 * math.pi)
    at_x = draw.between(-10, 90) - ages_s * np.float32(speed * math.cos(angle))
    at_y = draw.between(-10, 90) - ages_s * np.float32(speed * math.sin(angle) * flat)
    return at_x, at_y


class Exposure:
    """The camera behind the lens: its exposure, then noise and rounding, which no optics blurs."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._bank = rng.standard_normal(NOISE_BANK, dtype=np.float32)

    def expose(self, draw: Draw, scene: Scene) -> NDArray[np.uint8]:
        """The frames exposed anew, at times with a step within the window, uint8 [K, 80, 80]. Writes over the scene."""
        frames = scene.grey
        gain = np.full(len(frames), draw.scale(0.7, 1.4), np.float32)
        if draw.chance(STEP_SHARE):
            gain[scene.ages_s < draw.between(0, 3)] *= np.float32(draw.scale(0.6, 1.6))
        frames *= gain[:, None, None] * 255
        start = int(draw.rng.integers(NOISE_BANK - frames.size))
        noise = self._bank[start : start + frames.size].reshape(frames.shape)
        noise = noise * np.float32(255 * draw.between(0, NOISE_MAX))
        frames += noise
        frames += np.float32(255 * draw.between(-0.04, 0.04) + 0.5)  # rounded as it is cut to whole numbers
        for rest, of_span, shares in zip(scene.rest, scene.weights, ALL_SQUARES, strict=True):
            rest *= of_span @ gain
            left = math.sqrt(shares / float(np.square(of_span).sum()))  # more frames, less noise in their mean
            rest += np.float32((left - 1) / 255) * (of_span @ noise.reshape(len(noise), -1)).reshape(rest.shape)
        return np.clip(frames, 0, 255, out=frames).astype(np.uint8)
