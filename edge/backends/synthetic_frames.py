"""Synthetic camera frames, identical on every machine, on which a bundle is verified without a recorded drive."""

import numpy as np
from numpy.typing import NDArray

COUNT = 24
TILES = (24, 8, 2)  # of the scene's texture, pixels
STEP = 3  # pixels that the scene moves from frame to frame
INTERVAL_S = 0.05


def synthetic_frames(height: int, width: int, count: int = COUNT) -> list[NDArray[np.uint8]]:
    """Frames uint8 [height, width, 3] of a camera that pans over a texture; in the second half a blurred place stands
    still on the lens. Made of integers and the raw stream of a generator, which numpy keeps for good.
    """
    across = width + STEP * count
    scene = np.zeros((height, across, 3), np.uint16)
    for seed, cell in enumerate(TILES):
        rows, columns = -(-height // cell), -(-across // cell)
        raw = np.random.PCG64(seed).random_raw(rows * columns * 3)
        coarse = (raw >> np.uint64(58)).astype(np.uint16).reshape(rows, columns, 3)  # 0…63
        scene += np.repeat(np.repeat(coarse, cell, 0), cell, 1)[:height, :across]
    frames = [(scene[:, STEP * number :][:, :width] + 30).astype(np.uint8) for number in range(count)]
    for frame in frames[count // 2 :]:
        drop = frame[height // 4 : height // 2, width // 4 : width // 2]
        drop[:] = drop.sum((0, 1), np.uint32) // (drop.shape[0] * drop.shape[1])
    return frames
