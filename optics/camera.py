"""The camera behind the lens: exposure, then sensor noise, then JPEG.

The order matters: scene, lens optics, exposure, sensor noise, JPEG. Noise added before the optics would be
blurred away inside a drop, and a detector would look for missing noise instead of for the drop.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

JPEG_QUALITY = 75  # what Donkeycar writes into tubs (pillow's default, colour at half resolution)
READ_NOISE_U8 = 1.2  # standard deviation in the dark, in 8-bit steps, at gain 1
SHOT_NOISE_U8 = 2.0  # additional standard deviation at white, at gain 1


def expose(scene: NDArray[np.uint8] | Floats, gain: float) -> Floats:
    """The scene [H, W, 3] in 8-bit steps times the exposure gain, float32, saturated at 255."""
    return np.minimum(scene * np.float32(gain), np.float32(255.0))


def sensor_noise(image: NDArray[np.uint8] | Floats, rng: np.random.Generator, gain: float = 1.0) -> NDArray[np.uint8]:
    """The exposed image [H, W, 3] with shot and read noise (both grow with the gain), rounded to uint8."""
    light = image.astype(np.float32)
    deviation = np.sqrt((gain * READ_NOISE_U8) ** 2 + gain * SHOT_NOISE_U8**2 / 255.0 * light)
    noisy = light + deviation * rng.standard_normal(light.shape, dtype=np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def encode_jpeg(frame: NDArray[np.uint8]) -> bytes:
    """The uint8 [H, W, 3] RGB frame as Donkeycar stores it."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
