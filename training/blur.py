"""Blurs and smooth noise for the rendering of training windows, by OpenCV: of one picture each, at any width."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

cv2.setNumThreads(1)  # pictures of 80×80: threads cost more than they bring

FINE_MAX = 2.0  # pixels; what is blurred more is blurred on half the size, at a quarter of the cost
HALVING_VARIANCE = 0.75  # pixels², of averaging four pixels and of the interpolation back
GRAINS_A_WIDTH = 0.6  # of smooth noise: random numbers to each width of a bump along one side


def blurred(picture: Floats, width_y: float, width_x: float | None = None) -> Floats:
    """A float32 picture [H, W] after a Gaussian blur of this deviation in pixels, or another along x."""
    width_x = width_y if width_x is None else width_x
    least = min(width_y, width_x)
    if max(width_y, width_x) < 0.15:
        return picture
    if least < FINE_MAX or min(picture.shape) < 16:
        return cv2.GaussianBlur(picture, (0, 0), max(width_x, 0.05), sigmaY=max(width_y, 0.05))
    height, length = picture.shape
    half = cv2.resize(picture, (length // 2, height // 2), interpolation=cv2.INTER_AREA)
    rest_y, rest_x = (math.sqrt(width * width - HALVING_VARIANCE) / 2 for width in (width_y, width_x))
    return cv2.resize(blurred(half, rest_y, rest_x), (length, height), interpolation=cv2.INTER_LINEAR)


def smooth_noise(rng: np.random.Generator, side: int, width: float) -> Floats:
    """Noise [side, side] of deviation 1 whose bumps are about `width` pixels wide."""
    count = math.ceil(side * GRAINS_A_WIDTH / width) + 3
    if count >= side:
        field = blurred(rng.standard_normal((side, side), dtype=np.float32), width)
    else:
        grains = rng.standard_normal((count, count), dtype=np.float32)
        whole = math.ceil(count * width / GRAINS_A_WIDTH)
        wide = cv2.resize(grains, (whole, whole), interpolation=cv2.INTER_CUBIC)
        top, left = rng.integers(0, whole - side + 1, 2).tolist()
        field = np.asarray(wide[top : top + side, left : left + side], np.float32)
    return field / max(float(field.std()), 1e-9)
