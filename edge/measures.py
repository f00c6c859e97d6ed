"""The figures the graph returns beside the reconstruction, in numpy: the reference for the export and the tests.

Every figure is taken on the 80×80 grey frame; by place means on tiles of 8×8 pixels, a map of 10×10.
"""

import numpy as np
from numpy.typing import NDArray

from .frame import SIZE

TILE = 8  # pixels
TILES = SIZE // TILE
MEASURES = ("residual", "sharpness")  # the order of the maps [M, 10, 10]
SHARPNESS_FLOOR = 1e-6  # energy added before the logarithm: a flat tile is finite, −13.8


def pearson(frame: NDArray[np.float32], reconstruction: NDArray[np.float32]) -> float:
    """Eq. 2 for one pair of [80, 80]: −1…1, and 0 where one of them is constant."""
    first, second = frame - frame.mean(), reconstruction - reconstruction.mean()
    norm = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / max(norm, 1e-12))


def residual_map(frame: NDArray[np.float32], reconstruction: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean absolute residual of each tile, [10, 10], 0…1."""
    return _tile_mean(np.abs(frame - reconstruction))


def sharpness_map(frame: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logarithm of each tile's mean squared Laplacian, [10, 10]: low where a drop or a film blurs."""
    padded = np.pad(frame, 1, mode="edge")
    neighbours = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return np.log(_tile_mean(np.square(4 * frame - neighbours)) + np.float32(SHARPNESS_FLOOR))


def _tile_mean(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return picture.reshape(TILES, TILE, TILES, TILE).mean((1, 3))
