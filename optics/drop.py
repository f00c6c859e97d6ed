"""Soft drops on the front element of the lens.

A camera pixel does not see through one point of the front element but through a footprint as wide as the
entrance pupil. Each ray of that footprint either misses the water and goes straight on, or passes it and is
bent by the slope of the water's surface as by a thin prism, towards the thicker side. A pixel is the mean
over its footprint. From this alone come the soft outline, the bending, the blur that varies from place to
place and the double images at the rim which real drops show, and the picture stays linear in the scene. The
water's height is that of a small drop: constant curvature (Poisson's equation) over a given outline, a little
uneven as the glass is not perfectly clean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from .grid import Bools, Floats, Grid, blend, check_coverage, check_frame, covered, gather, uneven

FOOTPRINT_RAYS = 48
PUPIL_RADIUS = (0.045, 0.10)  # of the frame's width, on the front element
RIM_SHIFT = (0.04, 0.13)  # of the frame's width: how far steep water displaces the scene
VEIL = (0.0, 0.08)  # share of the drop's light that is scattered evenly
RIM_LOSS = (-0.06, 0.15)  # share of light lost where the water is steepest; below 0 the rim is bright


class FrontDrop:
    """One wet patch (one to three drops) that stays where it is; made once an episode.

    mask: float32 [H, W], 0..1, share of the position's rays that pass water.
    coverage: share of positions with mask > 0.5, 0..1.
    """

    def __init__(
        self,
        outline: Bools,
        height_field: Floats,
        frame_shape: tuple[int, int],
        *,
        pupil_radius: float,
        rim_shift: float,
        veil: float,
        rim_loss: float,
    ) -> None:
        """outline, height_field: [h + 2 m, w + 2 m] on the coarse `Grid` of the frame, with an equal margin
        m >= pupil_radius all round; lengths are in coarse positions."""
        self._grid = Grid(*frame_shape)
        slope_y, slope_x = np.gradient(height_field)
        slope = np.hypot(slope_y, slope_x)
        steep = np.percentile(slope[outline], 95)
        shift_y, shift_x = slope_y * (rim_shift / steep), slope_x * (rim_shift / steep)
        light = (1.0 - veil) * (1.0 - rim_loss * np.minimum(slope / steep, 1.0) ** 2)
        self._rays, share = _trace(outline, shift_y, shift_x, light, self._grid.shape, pupil_radius)
        self._veil = veil
        self.mask: Floats = np.minimum(self._grid.enlarge(share), 1.0).reshape(frame_shape)
        self.coverage = covered(self.mask)

    @classmethod
    def random(cls, rng: np.random.Generator, height: int, width: int, coverage: float) -> FrontDrop:
        """A drop for frames [height, width] whose coverage comes within 0.05 of the one asked for, 0.02..0.9.

        Raises ValueError for another coverage.
        """
        check_coverage(coverage)
        shape = Grid(height, width).shape
        drop_radius = np.sqrt(coverage * shape[0] * shape[1] / np.pi)
        pupil_radius = min(rng.uniform(*PUPIL_RADIUS) * shape[1], 0.5 * drop_radius)
        outline = _outline(rng, shape, coverage, margin=int(np.ceil(pupil_radius)) + 1)
        load = 1.0 + 0.5 * uneven(rng, outline.shape, drop_radius)
        return cls(
            outline,
            _water(outline, load),
            (height, width),
            pupil_radius=pupil_radius,
            rim_shift=rng.uniform(*RIM_SHIFT) * shape[1],
            veil=rng.uniform(*VEIL),
            rim_loss=rng.uniform(*RIM_LOSS),
        )

    def render(self, frame: NDArray[np.uint8], strength: float = 1.0) -> NDArray[np.uint8]:
        """The uint8 [H, W, 3] frame as seen through the drop, a new array; strength 0..1 fades the drop in.

        A frame from a real camera holds sensor noise and JPEG traces, which the blur takes away: add noise
        (`optics.sensor_noise`) to wet and clear frames alike, or a detector learns to look for missing noise.
        Raises ValueError for a frame of another shape or type.
        """
        check_frame(frame, self.mask)
        small = self._grid.shrink(frame)
        light = self._grid.enlarge(self._rays @ small)
        light += self.mask.reshape(-1, 1) * (self._veil * small.mean(axis=0))
        return blend(frame, self.mask, light, strength)


def _outline(rng: np.random.Generator, shape: tuple[int, int], coverage: float, margin: int) -> Bools:
    """Where there is water, bool [h + 2 margin, w + 2 margin]: a level of one to three merged bumps."""
    grid = (shape[0] + 2 * margin, shape[1] + 2 * margin)
    y, x = np.mgrid[: grid[0], : grid[1]] - np.float32(margin)
    radius = np.sqrt(coverage * shape[0] * shape[1] / np.pi)
    field = np.zeros(grid)
    centre = rng.uniform((0.2 * shape[0], 0.15 * shape[1]), (0.8 * shape[0], 0.85 * shape[1]))
    for size in (1.0, *rng.uniform(0.4, 0.8, size=rng.integers(0, 3))):
        angle, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.5)
        along = (x - centre[1]) * np.cos(angle) + (y - centre[0]) * np.sin(angle)
        across = (y - centre[0]) * np.cos(angle) - (x - centre[1]) * np.sin(angle)
        distance = np.hypot(along / stretch, across * stretch) / (size * radius)
        field += np.exp(-(distance**2))
        centre = np.clip(centre + rng.uniform(-1.6, 1.6, size=2) * radius, 0, shape)
    field = field + 0.12 * uneven(rng, grid, radius)
    inside = field[margin:-margin, margin:-margin]
    return field > np.quantile(inside, 1.0 - coverage)


def _water(outline: Bools, load: Floats) -> Floats:
    """Height of the water: -laplace(height) = load inside the outline, 0 outside; any unit."""
    number = np.full(outline.shape, -1)
    number[outline] = np.arange(outline.sum())
    number = np.pad(number, 1, constant_values=-1)
    here = number[1:-1, 1:-1][outline]
    neighbours = [
        np.roll(number, (dy, dx), (0, 1))[1:-1, 1:-1][outline] for dy, dx in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    rows = np.concatenate([here[near >= 0] for near in neighbours])
    columns = np.concatenate([near[near >= 0] for near in neighbours])
    size = here.size
    laplace = sparse.csc_matrix((np.ones(rows.size), (rows, columns)), (size, size))
    laplace -= 4.0 * sparse.identity(size, format="csc")
    height = np.zeros(outline.shape, np.float32)
    height[outline] = spsolve(laplace, -load[outline].astype(float))
    return height


def _trace(
    outline: Bools, shift_y: Floats, shift_x: Floats, light: Floats, shape: tuple[int, int], pupil_radius: float
) -> tuple[sparse.csr_matrix, Floats]:
    """The matrix [h w, h w] from a coarse scene to the light that arrives through water, and the share [h w]
    of rays that do."""
    height, width = shape
    margin = (outline.shape[0] - height) // 2
    turn = np.arange(FOOTPRINT_RAYS) * np.pi * (3.0 - np.sqrt(5.0))  # sunflower: even over the disk
    reach = pupil_radius * np.sqrt((np.arange(FOOTPRINT_RAYS) + 0.5) / FOOTPRINT_RAYS)
    y, x = np.mgrid[:height, :width]
    rays: list[tuple[NDArray[np.int64], Floats, Floats, Floats]] = []
    share = np.zeros(height * width, np.float32)
    for dy, dx in np.rint(np.stack((reach * np.sin(turn), reach * np.cos(turn)), axis=1)).astype(int):
        part = (slice(margin + dy, margin + dy + height), slice(margin + dx, margin + dx + width))
        pixel = np.flatnonzero(outline[part])
        share[pixel] += 1.0 / FOOTPRINT_RAYS
        source_y, source_x = (y + shift_y[part]).ravel()[pixel], (x + shift_x[part]).ravel()[pixel]
        rays.append((pixel, source_y, source_x, light[part].ravel()[pixel] / FOOTPRINT_RAYS))
    place, source_y, source_x, weight = (np.concatenate(part) for part in zip(*rays, strict=True))
    return gather(place, source_y, source_x, weight, height * width, shape), share
