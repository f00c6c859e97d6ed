"""Segments of one second of a drive, and what a fault of a lens changes in them, tile by tile."""

import numpy as np
from numpy.typing import NDArray

from .cache import FrameCache

SEGMENT_S = 1.0
FRAMES_MIN = 4  # of a segment: less says nothing about change
TILES = 4  # along a side
KINDS = 3  # of features: sharpness, still edges, change
NOISE = 1e-6  # added to what is taken the logarithm of; grey levels are 0…1

Floats = NDArray[np.float32]


def segment_features(cache: FrameCache) -> tuple[Floats, NDArray[np.intp]]:
    """Return the features [S, 48] of the segments of a drive, and the segment [N] of each frame, −1 for none.

    Logarithms, of each of 4×4 tiles: its sharpness, how much of its edges stand still, and how much it changes. A
    segment reaches over no gap.
    """
    since_s = cache.clock_s - cache.clock_s[cache.starts]
    seconds = np.floor(since_s / SEGMENT_S).astype(np.intp)
    begins = np.concatenate([[True], (np.diff(seconds) != 0) | (np.diff(cache.starts) != 0)])
    parts = np.split(np.arange(len(cache)), np.flatnonzero(begins)[1:])
    features: list[Floats] = []
    segment_of = np.full(len(cache), -1)
    for numbers in parts:
        if len(numbers) >= FRAMES_MIN:
            segment_of[numbers] = len(features)
            features.append(_features(cache.take(numbers).astype(np.float32) / 255))
    return np.stack(features) if features else np.empty((0, KINDS * TILES**2), np.float32), segment_of


def _features(frames: Floats) -> Floats:
    """Return the features [48] of the frames [n, 80, 80] of a segment, in 0…1."""
    inner = frames[:, 1:-1, 1:-1]
    laplacian = frames[:, :-2, 1:-1] + frames[:, 2:, 1:-1] + frames[:, 1:-1, :-2] + frames[:, 1:-1, 2:] - 4 * inner
    sharpness = np.zeros_like(frames)
    sharpness[:, 1:-1, 1:-1] = laplacian**2
    mean = frames.mean(0, keepdims=True)
    edges = _tiles(_slopes(frames)).mean(0)
    return np.concatenate(
        [
            np.log(_tiles(sharpness).mean(0) + NOISE),
            np.log(_tiles(_slopes(mean))[0] + NOISE) - np.log(edges + NOISE),
            np.log(_tiles(frames.var(0, keepdims=True))[0] + NOISE),
        ]
    ).astype(np.float32)


def _slopes(frames: Floats) -> Floats:
    """Return the squared gradient [n, 80, 80]."""
    down, right = np.gradient(frames, axis=(1, 2))
    return np.asarray(down**2 + right**2)


def _tiles(maps: Floats) -> Floats:
    """Average maps [n, 80, 80] over each tile: [n, 16]."""
    side = maps.shape[1] // TILES
    return maps.reshape(len(maps), TILES, side, TILES, side).mean((2, 4)).reshape(len(maps), -1)
