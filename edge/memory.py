"""What the network remembers of the last seconds, and how it grows by a frame: shapes and time constants.

A fault stays where it is on the lens while the scene moves, so the network looks at averages over time. The graph
itself is stateless: it takes the memory and how much the new frame weighs, and returns the memory for the next one.
"""

import math

import numpy as np
from numpy.typing import NDArray

from .frame import SIZE

SPANS_S = (0.4, 2.0)  # time constants: a quick look, which sees a drop fall, and a calm one
HALF = SIZE // 2
STATISTICS = 7  # averaged on the grid of half the size: energy of the grey, edges on two scales
MEMORY_SIZE = SIZE * SIZE + STATISTICS * HALF * HALF  # numbers a span: the mean frame, then the statistics
PICTURES = 10 * len(SPANS_S)  # what the network sees of the memory, each [40, 40] in 0…1.2
REFERENCE_SIDE = 10  # the pictures of a clean drive are kept on a coarser grid
PLACES = 20  # side of the map that the network answers with
GAP_S = 2.0  # without a frame for longer, what was remembered is forgotten

Reference = NDArray[np.float32]  # [2, PICTURES, 10, 10]: centre and spread of the pictures on a clean drive

SPREAD_MIN = 0.015  # of a picture on the clean drive: a place that never changes is no detector


def make_reference(pictures: NDArray[np.float32]) -> Reference:
    """Coarse pictures [N, 20, 10, 10] of a clean drive to their centre and spread.

    Quantiles, not moments: an unlabelled training drive may be partly wet.
    """
    low, centre, high = np.quantile(pictures, (0.16, 0.5, 0.84), axis=0)
    return np.stack([centre, np.maximum((high - low) / 2, SPREAD_MIN)]).astype(np.float32)


def enlarge(reference: NDArray[np.floating]) -> NDArray[np.float32]:
    """References [..., 10, 10] on the grid of the pictures [..., 40, 40], as the network takes them: bilinear."""
    centres = ((np.arange(HALF) + 0.5) * REFERENCE_SIDE / HALF - 0.5).clip(0, REFERENCE_SIDE - 1)
    between = np.maximum(1 - abs(centres[:, None] - np.arange(REFERENCE_SIDE)), 0)  # [40, 10], each row sums to 1
    return np.ascontiguousarray(between @ reference @ between.T, np.float32)


class MemoryClock:
    """How much the next frame weighs in averages over each of some spans. Holds no clock: times come in."""

    def __init__(self, spans_s: tuple[float, ...] = SPANS_S) -> None:
        self.spans_s = spans_s
        self.restart()

    def restart(self) -> None:
        """Forget everything: another drive begins."""
        self.frames = 0
        self._t_s = self._first_t_s = 0.0

    @property
    def seen_s(self) -> float:
        """Seconds since the first frame, −1 before it."""
        return self._t_s - self._first_t_s if self.frames else -1.0

    @property
    def settled(self) -> bool:
        """Whether the longest span has been seen once."""
        return self.seen_s >= max(self.spans_s)

    def shares(self, t_s: float) -> NDArray[np.float32]:
        """The weights [spans] of a frame seen at `t_s` seconds, as the graph takes them."""
        return np.array(self.weights(t_s), np.float32)

    def weights(self, t_s: float) -> list[float]:
        """The weights, 0…1, of a frame seen at `t_s` seconds; 1 after a gap or a step back, which restart.

        In a span of 0 every frame stands for itself.
        """
        step_s = t_s - self._t_s
        if self.frames and not 0 <= step_s <= GAP_S:
            self.restart()
        if not self.frames:
            self._first_t_s, step_s = t_s, 0.0
        self.frames += 1
        self._t_s = t_s
        # The plain mean until there is enough for the exponential one: the first frame has no special weight.
        least = 1 / self.frames
        return [max(-math.expm1(-step_s / span_s), least) if span_s > 0 else 1.0 for span_s in self.spans_s]
