"""The Pearson correlation in numpy: the reference for the export and the tests."""

import numpy as np
from numpy.typing import NDArray


def pearson(frame: NDArray[np.float32], reconstruction: NDArray[np.float32]) -> float:
    """Eq. 2 for one pair of [80, 80]: −1…1, and 0 where one of them is constant."""
    first, second = frame - frame.mean(), reconstruction - reconstruction.mean()
    norm = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / max(norm, 1e-12))
