"""Gaussian blur and smooth noise for the rendering of training windows, with OpenCV, one image at a time."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

cv2.setNumThreads(1)  # on images of 80×80, threads cost more than they gain

FULL_SIZE_SIGMA_MAX = 2.0  # pixels; a wider blur is computed at half the size, at a quarter of the cost
HALVING_VARIANCE = 0.75  # pixels², the blur of averaging 2×2 pixels and of interpolating back
SIGMA_MIN = 0.05  # pixels, along one axis: OpenCV does not accept 0
NEGLIGIBLE_SIGMA = 0.15  # pixels, along both axes: less changes nothing visible
SAMPLES_PER_BUMP = 0.6  # random numbers per bump of smooth noise, along one side


def blurred(image: Floats, sigma_y: float, sigma_x: float | None = None) -> Floats:
    """Blur an image [H, W] with a Gaussian, `sigma_y` and `sigma_x` (default: `sigma_y`) in pixels.

    Returns the image itself where the blur is negligible.
    """
    sigma_x = sigma_y if sigma_x is None else sigma_x
    if max(sigma_y, sigma_x) < NEGLIGIBLE_SIGMA:
        return image
    if min(sigma_y, sigma_x) < FULL_SIZE_SIGMA_MAX or min(image.shape) < 16:
        full = cv2.GaussianBlur(image, (0, 0), max(sigma_x, SIGMA_MIN), sigmaY=max(sigma_y, SIGMA_MIN))
        return np.asarray(full, np.float32)
    height, width = image.shape
    half = np.asarray(cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.float32)
    half_sigma_y, half_sigma_x = (math.sqrt(sigma * sigma - HALVING_VARIANCE) / 2 for sigma in (sigma_y, sigma_x))
    half = blurred(half, half_sigma_y, half_sigma_x)
    return np.asarray(cv2.resize(half, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def smooth_noise(rng: np.random.Generator, side: int, bump_width: float) -> Floats:
    """Draw noise [side, side] of standard deviation 1 whose bumps are about `bump_width` pixels wide."""
    count = math.ceil(side * SAMPLES_PER_BUMP / bump_width) + 3
    if count >= side:
        field = blurred(rng.standard_normal((side, side), dtype=np.float32), bump_width)
    else:
        samples = rng.standard_normal((count, count), dtype=np.float32)
        enlarged_side = math.ceil(count * bump_width / SAMPLES_PER_BUMP)
        enlarged = cv2.resize(samples, (enlarged_side, enlarged_side), interpolation=cv2.INTER_CUBIC)
        top, left = rng.integers(0, enlarged_side - side + 1, 2).tolist()
        field = np.asarray(enlarged[top : top + side, left : left + side], np.float32)
    return field / max(float(field.std()), 1e-9)
