"""What all lens faults share: the coarse grid behind them, blur by a lens out of focus, and the blend into a frame.

Every fault is a soft mask and the light that arrives through it. With both, a frame is

    faulty = (1 - mask) * frame + light(frame)

so that places outside the mask keep every bit, and `optics.faults` can move any fault about.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, sparse

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]

COARSE_WIDTH = 80  # what is so near a lens shows no finer detail


class Grid:
    """Frames [height, width] and a grid of `shape` with every `step`-th position, about 80 wide."""

    def __init__(self, height: int, width: int) -> None:
        self.step = max(1, round(width / COARSE_WIDTH))
        self.shape = (-(-height // self.step), -(-width // self.step))
        self._shrink = sparse.kron(_shrink(height, self.step), _shrink(width, self.step), format="csr")
        self._enlarge = sparse.kron(_enlarge(height, self.step), _enlarge(width, self.step), format="csr")

    def shrink(self, frame: NDArray[np.uint8]) -> Floats:
        """The frame [H, W, 3] as means over grid cells, float32 [h w, 3]."""
        return self._shrink @ frame.reshape(-1, 3).astype(np.float32)

    def enlarge(self, values: Floats) -> Floats:
        """Values [h w] or [h w, n] interpolated to float32 [H W] or [H W, n]."""
        return self._enlarge @ values


class Spread:
    """Convolution of an image [height, width] with a small kernel, done around the corner at its borders."""

    def __init__(self, kernel: Floats, height: int, width: int) -> None:
        self._shape = (fft.next_fast_len(height, True), fft.next_fast_len(width, True))
        reach_y, reach_x = kernel.shape[0] // 2, kernel.shape[1] // 2
        placed = np.zeros(self._shape, np.float32)
        placed[: kernel.shape[0], : kernel.shape[1]] = kernel
        self._transform = fft.rfft2(np.roll(placed, (-reach_y, -reach_x), (0, 1)))

    def __call__(self, picture: Floats) -> Floats:
        """Convolve images [..., height, width] over its last two axes."""
        height, width = picture.shape[-2:]
        spectrum = fft.rfft2(picture, self._shape)
        spectrum *= self._transform
        return fft.irfft2(spectrum, self._shape)[..., :height, :width]


def check_coverage(coverage: float) -> None:
    """Raise ValueError unless the coverage is within 0.02..0.9."""
    if not 0.02 <= coverage <= 0.9:
        raise ValueError(f"coverage must be within 0.02..0.9, not {coverage!r}")


def check_frame(frame: NDArray[np.uint8], mask: Floats) -> None:
    """Raise ValueError unless the frame is uint8 [H, W, 3] for a mask [H, W]."""
    height, width = mask.shape
    if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
        seen = f"{frame.dtype} {list(frame.shape)}"
        raise ValueError(f"frame must be uint8 [{height}, {width}, 3], not {seen}")


def blend(frame: NDArray[np.uint8], mask: Floats, light: Floats, strength: float) -> NDArray[np.uint8]:
    """(1 - strength mask) frame + strength light, rounded; mask [H, W], light [H, W, 3] or flat [H W, 3]."""
    scene = frame.astype(np.float32)
    scene += np.float32(strength) * (light.reshape(frame.shape) - mask[..., None] * scene)
    return np.clip(np.rint(scene), 0, 255).astype(np.uint8)


def covered(mask: Floats) -> float:
    """The share of positions with mask > 0.5."""
    return float((mask > 0.5).mean())


def uneven(rng: np.random.Generator, grid: tuple[int, ...], radius: float) -> Floats:
    """Smooth noise of mean 0 and deviation 1 whose bumps are about half as wide as a blot of this radius."""
    noise = ndimage.gaussian_filter(rng.standard_normal(grid), 0.3 * radius, mode="wrap")
    return ((noise - noise.mean()) / max(noise.std(), 1e-12)).astype(np.float32)


def disk(radius: float) -> Floats:
    """The blur of a point out of focus: an even disk, float32 [2 k + 1, 2 k + 1], sum 1, soft by one position."""
    reach = int(np.ceil(radius + 0.5))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(y, x), 0.0, 1.0)
    return (kernel / kernel.sum()).astype(np.float32)


def mirror(position: Floats, size: int) -> Floats:
    """Positions folded into 0..size - 1, just short of the end so that a right neighbour exists."""
    folded = np.abs(position)
    folded = np.where(folded > size - 1, 2 * (size - 1) - folded, folded)
    return np.clip(folded, 0, size - 1.001)


def gather(
    place: NDArray[np.int64], source_y: Floats, source_x: Floats, weight: Floats, places: int, shape: tuple[int, int]
) -> sparse.csr_matrix:
    """The matrix [positions, h w] that adds weight * scene[source_y, source_x] to each position.

    place, source_y, source_x, weight: one entry a ray. Rays that would leave the scene of this shape [h, w] are
    mirrored at its border: nothing is known beyond.
    """
    height, width = shape
    y, x = mirror(source_y, height), mirror(source_x, width)
    top, left = y.astype(int), x.astype(int)
    down, right = y - top, x - left
    corner = top * width + left
    columns = np.concatenate((corner, corner + 1, corner + width, corner + width + 1))
    weights = np.concatenate(
        (
            weight * (1 - down) * (1 - right),
            weight * (1 - down) * right,
            weight * down * (1 - right),
            weight * down * right,
        )
    )
    rows = np.concatenate([place] * 4)
    return sparse.csr_matrix((weights.astype(np.float32), (rows, columns)), (places, height * width))


def _shrink(size: int, step: int) -> sparse.csr_matrix:
    """Mean over runs of `step` positions, [ceil(size / step), size]; the last run may be shorter."""
    run = np.arange(size) // step
    return sparse.csr_matrix((1.0 / np.bincount(run)[run], (run, np.arange(size))), dtype=np.float32)


def _enlarge(size: int, step: int) -> sparse.csr_matrix:
    """Linear interpolation back to `size` positions, [size, ceil(size / step)]; rows sum to 1."""
    count = -(-size // step)
    place = np.clip((np.arange(size) + 0.5) / step - 0.5, 0, count - 1)
    left = np.minimum(place.astype(int), count - 2)
    rows = np.concatenate([np.arange(size)] * 2)
    weights = np.concatenate((left + 1 - place, place - left))
    columns = np.concatenate((left, left + 1))
    return sparse.csr_matrix((weights, (rows, columns)), (size, count), dtype=np.float32)
