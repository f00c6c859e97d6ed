"""Disturbances of training windows that are not lens faults: they move with the scene or are brief.

All functions change the scene in place.
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

# That a window has each disturbance.
MOTION_BLUR_PROBABILITY, GLARE_PROBABILITY, REFLECTIONS_PROBABILITY = 0.25, 0.2, 0.2
SURFACES_PROBABILITY, EXPOSURE_STEP_PROBABILITY = 0.75, 0.2
MOTION_BLUR_X, MOTION_BLUR_Y = 3.0, 1.0  # pixels, the largest
REFLECTIONS_MAX, SURFACES = 4, 3  # in one window
SURFACE_BLUR_S = (0.05, 0.15)  # joins the traces of a moving surface in the sampled frames, for each time constant
SHADE_CHANGE_MAX = 0.25  # from the centre of a surface to its side
NOISE_MAX = 0.015  # grey levels, 0…1
NOISE_BANK = 2**20  # normal numbers that all noise is cut from; drawing new ones took a quarter of the time
SUBPIXEL_BITS = 4  # of the corners' coordinates
FRAME_S = 0.05  # from one camera frame to the next
EMA_SQUARED_WEIGHTS = tuple(FRAME_S / (2 * time_constant_s) for time_constant_s in TIME_CONSTANTS_S)  # their sums
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float32)


@dataclass(frozen=True, eq=False)
class Scene:
    """Sampled frames of a window, and what the running means of all its frames have in addition."""

    grey: Floats  # [K, 80, 80] in 0…1, newest first
    residual: Floats  # [2, 80, 80], the mean of all frames minus the weighted mean of these, for each time constant
    ages_s: Floats  # [K]
    weights: Floats  # [2, K] of the frames, for each time constant


def add_motion_blur(draw: Draw, scene: Scene) -> None:
    """Blur some windows by motion, each frame by a different amount."""
    if not draw.chance(MOTION_BLUR_PROBABILITY):
        return
    max_y, max_x = MOTION_BLUR_Y * draw.rng.random(), MOTION_BLUR_X * draw.rng.random()
    for frame, (share_y, share_x) in zip(scene.grey, draw.rng.random((len(scene.grey), 2)).tolist(), strict=True):
        frame[:] = blurred(frame, share_y * max_y, share_x * max_x)
    for residual in scene.residual:
        residual[:] = blurred(residual, max_y / 2, max_x / 2)


def add_lights(draw: Draw, scene: Scene) -> None:
    """Add a moving glare or shadow to some windows, and the soft, slow reflections of a glossy floor to some."""
    frames, ages_s = scene.grey, scene.ages_s
    if draw.chance(GLARE_PROBABILITY):
        path = _path(draw, ages_s, draw.log_uniform(15, 150), vertical=1.0)
        patch = _moving_patch(path, draw.log_uniform(3, 25), draw.log_uniform(3, 25))
        amount = np.float32(draw.uniform(-0.6, 0.8))
        frames += amount * patch if amount > 0 else frames * amount * patch
    if draw.chance(REFLECTIONS_PROBABILITY):
        for _ in range(int(draw.rng.integers(1, REFLECTIONS_MAX + 1))):
            path = _path(draw, ages_s, draw.log_uniform(1, 40), vertical=0.5)
            amount = np.float32(draw.uniform(-0.1, 0.25))
            frames += amount * _moving_patch(path, draw.log_uniform(2, 15), draw.log_uniform(3, 30))


def _moving_patch(path: tuple[Floats, Floats], radius_x: float, radius_y: float) -> Floats:
    """Render a flat-topped patch with soft edges along a path, [K, 80, 80], 0…1."""
    at_x, at_y = path
    squares = np.square((COLUMNS - at_x[:, None, None]) * np.float32(1 / radius_x))
    squares += np.square((ROWS - at_y[:, None, None]) * np.float32(1 / radius_y))
    patch = cv2.exp((np.float32(-0.5) * squares * squares).reshape(-1, SIZE))
    return np.asarray(patch, np.float32).reshape(squares.shape)


def add_surfaces(draw: Draw, scene: Scene) -> None:
    """Move plain surfaces with sharp edges through most windows, such as walls, boards and furniture.

    Some are as large as the frame and slow enough to stay in it for longer than the time constants. A network whose
    training drive has none of them reports the next bare wall as a drop.
    """
    if not draw.chance(SURFACES_PROBABILITY):
        return
    for _ in range(SURFACES):
        _add_surface(draw, scene)


def _add_surface(draw: Draw, scene: Scene) -> None:
    frames, ages_s = scene.grey, scene.ages_s
    speed = draw.log_uniform(3, 60)
    at_x, at_y = _path(draw, ages_s, speed, vertical=0.5)
    tilt = draw.uniform(-0.3, 0.3)
    cos, sin = math.cos(tilt), math.sin(tilt)
    zoom = np.exp(-draw.uniform(-0.25, 0.25) * ages_s)
    width, height = draw.log_uniform(8, 80), draw.log_uniform(8, 80)
    corners = np.array([(-width, -height), (width, -height), (width, height), (-width, height)], np.float32) / 2
    corners = corners @ np.array([(cos, sin), (-sin, cos)], np.float32)  # [4, 2], x and y from the centre
    outlines = corners * zoom[:, None, None] + np.stack([at_x, at_y], 1)[:, None]  # [K, 4, 2]
    masks = np.zeros(frames.shape, np.uint8)  # 0…255
    for mask, outline in zip(masks, np.rint(outlines * 2**SUBPIXEL_BITS).astype(np.int32), strict=True):
        cv2.fillConvexPoly(mask, outline, (255,), cv2.LINE_AA, SUBPIXEL_BITS)
    shade = draw.uniform(0.05, 0.95)
    slope = draw.uniform(-1, 1) * min(SHADE_CHANGE_MAX, shade, 1 - shade) / width
    plane = (COLUMNS * np.float32(cos) + ROWS * np.float32(sin)) * np.float32(slope)
    offset = np.float32(shade) - (at_x * np.float32(cos) + at_y * np.float32(sin)) * np.float32(slope)
    changes = plane + offset[:, None, None]
    changes -= frames
    changes *= masks
    changes *= np.float32(1 / 255)
    frames += changes
    _add_to_residual(scene, masks, changes, speed)


def _add_to_residual(scene: Scene, masks: NDArray[np.uint8], changes: Floats, speed: float) -> None:
    """Cover the residual where a surface passed, and replace the surface's separate traces by a smear.

    The mean of the sampled frames shows the surface once for each of them; the car's running means show it smeared.
    """
    flat_masks, flat_changes = masks.reshape(len(masks), -1).astype(np.float32), changes.reshape(len(changes), -1)
    for residual, weights, blur_s in zip(scene.residual, scene.weights, SURFACE_BLUR_S, strict=True):
        residual *= 1 - (weights @ flat_masks).reshape(residual.shape) * np.float32(1 / 255)
        traces = (weights @ flat_changes).reshape(residual.shape)
        residual += blurred(traces, 0.5 * speed * blur_s, speed * blur_s) - traces


def _path(draw: Draw, ages_s: Floats, speed: float, vertical: float) -> tuple[Floats, Floats]:
    """Draw positions x and y [K] in pixels of an object moving at `speed` pixels/s, times `vertical` along y."""
    angle = draw.uniform(0, 2 * math.pi)
    at_x = draw.uniform(-10, 90) - ages_s * np.float32(speed * math.cos(angle))
    at_y = draw.uniform(-10, 90) - ages_s * np.float32(speed * math.sin(angle) * vertical)
    return at_x, at_y


class Exposure:
    """The camera behind the lens: exposure, noise and rounding, which come after all optics."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._bank = rng.standard_normal(NOISE_BANK, dtype=np.float32)

    def expose(self, draw: Draw, scene: Scene) -> NDArray[np.uint8]:
        """Return the frames uint8 [K, 80, 80] at another exposure, at times with a step within the window.

        Overwrites the scene: its residual is then that of the exposed frames.
        """
        frames = scene.grey
        gain = np.full(len(frames), draw.log_uniform(0.7, 1.4), np.float32)
        if draw.chance(EXPOSURE_STEP_PROBABILITY):
            gain[scene.ages_s < draw.uniform(0, 3)] *= np.float32(draw.log_uniform(0.6, 1.6))
        frames *= gain[:, None, None] * 255
        start = int(draw.rng.integers(NOISE_BANK - frames.size))
        noise = self._bank[start : start + frames.size].reshape(frames.shape)
        noise = noise * np.float32(255 * draw.uniform(0, NOISE_MAX))
        frames += noise
        frames += np.float32(255 * draw.uniform(-0.04, 0.04) + 0.5)  # black level; astype truncates, so + 0.5 rounds
        for residual, weights, squares in zip(scene.residual, scene.weights, EMA_SQUARED_WEIGHTS, strict=True):
            residual *= weights @ gain
            # The mean of all frames is less noisy than that of the sampled ones.
            noise_ratio = math.sqrt(squares / float(np.square(weights).sum()))
            mean_noise = (weights @ noise.reshape(len(noise), -1)).reshape(residual.shape)
            residual += np.float32((noise_ratio - 1) / 255) * mean_noise
        return np.clip(frames, 0, 255, out=frames).astype(np.uint8)
