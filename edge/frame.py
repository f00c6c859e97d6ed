"""Preprocessing, the only one: from a camera frame to the 80×80 grey frame that every network sees.

The numpy functions here are the reference. The exported graph holds the same constants, so that the car
makes one `session.run(frame)` and training and car cannot drift apart.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 80  # side of the grey frame, pixels; 80 × 80 × 1 = the 6400 pixels of the paper

# ITU-R 601 luma in 1/65536, rounded half up: bit-equal to PIL's convert("L"). Every intermediate stays below
# 2^24, so float32 computes it exactly too, whatever order it sums in.
LUMA_WEIGHTS = (19595, 38470, 7471)
LUMA_HALF = 32768
LUMA_SCALE = 65536
CAMERAS = ("rgb", "luma")  # what kind of frames a camera gives


@dataclass(frozen=True)
class FrameFault:
    """Why a frame cannot be scored: a status (`no_frame` or `error`) and one line for the log."""

    status: str
    detail: str


def is_image(frame: Any) -> bool:
    """Return whether this is an image of any size, uint8 [H, W, 3], [H, W, 1] or [H, W], and not empty."""
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.size == 0:
        return False
    return frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] in (1, 3))


def frame_fault(frame: Any, height: int, width: int) -> FrameFault | None:
    """Check that a frame is uint8 [height, width, 3], [height, width, 1] or [height, width]; None if it is."""
    if not isinstance(frame, np.ndarray) or frame.ndim == 0:
        return FrameFault("no_frame", "no frame from the camera")
    allowed = ((height, width, 3), (height, width, 1), (height, width))
    if frame.dtype != np.uint8 or frame.shape not in allowed:
        seen = f"{frame.dtype} {list(frame.shape)}"
        return FrameFault("error", f"frame is {seen}, the model takes uint8 [{height}, {width}, 3]")
    return None


def camera_of(frame: NDArray[np.uint8]) -> str:
    """Return the kind of camera, one of `CAMERAS`, that gave a frame without a fault."""
    return "rgb" if frame.ndim == 3 and frame.shape[2] == 3 else "luma"


def to_rgb(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat a luma frame [H, W] or [H, W, 1] to [H, W, 3]; its grey is the luma itself, exactly."""
    if camera_of(frame) == "rgb":
        return frame
    return np.repeat(frame.reshape(*frame.shape[:2], 1), 3, axis=2)


@cache
def area_matrix(source: int, target: int) -> NDArray[np.float32]:
    """Return the constant matrix [target, source] whose product with a signal averages it by area. Rows sum to 1."""
    edges = np.arange(target + 1) * (source / target)
    left = np.maximum(edges[:-1, None], np.arange(source)[None, :])
    right = np.minimum(edges[1:, None], np.arange(1, source + 1)[None, :])
    matrix = (np.maximum(right - left, 0.0) * (target / source)).astype(np.float32)
    matrix.flags.writeable = False
    return matrix


def grey(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert RGB uint8 [H, W, 3] to grey uint8 [H, W], bit-equal to PIL's convert("L")."""
    weighted = np.full(frame.shape[:2], LUMA_HALF, np.uint32)
    for channel, weight in enumerate(LUMA_WEIGHTS):
        # The type is named: numpy 1 would fit the product into uint16 and overflow.
        weighted += np.multiply(frame[..., channel], weight, dtype=np.uint32)
    return (weighted // LUMA_SCALE).astype(np.uint8)


def to_grey80(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert RGB or luma uint8 [H, W(, 3)] to float32 [80, 80] in 0…1. The scale is fixed, not taken from the data.

    Example:
        >>> float(to_grey80(np.full((120, 160, 3), 255, np.uint8)).mean())
        1.0
    """
    luma = grey(to_rgb(frame)).astype(np.float32)
    return _average_rows(_average_rows(luma).T).T / np.float32(255)


def _average_rows(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply `area_matrix` with [H, W], giving [80, W], by the two or three entries of a row that are not 0.

    A product with the whole matrix starts the threads of the linear algebra library, which then compete with those
    that decode a drive: many times slower.
    """
    sources, weights = _area_entries(image.shape[0])
    return (weights[:, :, None] * image[sources]).sum(0)


@cache
def _area_entries(source: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return columns and weights [K, 80] of the K largest entries of each row of the area matrix; the others are 0."""
    matrix = area_matrix(source, SIZE)
    count = int((matrix > 0).sum(1).max())
    sources = np.argsort(-matrix, axis=1, kind="stable")[:, :count]
    return sources.T, np.take_along_axis(matrix, sources, axis=1).T
