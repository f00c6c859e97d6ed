"""Beads of water on a cover glass some way in front of the lens.

A bead is a spherical cap. Each ray of the camera (a pinhole at the origin, looking along z) is bent on its way
into the water by the plane of the glass and out of it by the sphere, both by Snell's law. The bead is a short
lens of its own: it shows a miniature of the wide scene upside down, and a dark rim, where light is reflected
inside. The camera is focused far beyond the glass, so beads and miniatures are blurred by the disk of defocus.
Lengths are in positions of the coarse grid: with the glass at the focal length, a place on the glass is the
position of the picture where it is seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .grid import Doubles, Floats, Grid, Spread, blend, check_coverage, check_frame, covered, disk, gather

WATER = 1.333  # index of refraction
FIELD_OF_VIEW_DEG = (55.0, 85.0)  # over the frame's width
CONTACT_ANGLE_DEG = (35.0, 75.0)  # between water and glass; plastic and waxed glass make steep beads
RADIUS = (0.035, 0.13)  # typical bead of a frame, of the frame's width
RADIUS_SPREAD = 0.3  # of the logarithm
DEFOCUS = (0.025, 0.15)  # radius of the disk of defocus, of the frame's width: 2..12 of 80
MOST_BEADS = 40
AMBIENT = (0.05, 0.25)  # light that reflection inside the water brings where none of the scene arrives
SUBRAYS = ((-0.25, -0.25), (-0.25, 0.25), (0.25, -0.25), (0.25, 0.25))  # of a position: miniatures are fine


class Beads:
    """One to forty beads that stay where they are; made once an episode. The rendered image is linear in the scene.

    mask: float32 [H, W], 0..1, share of the position's blur disk that is water.
    coverage: share of positions with mask > 0.5, 0..1.
    """

    def __init__(
        self,
        centres: Doubles,
        radii: Doubles,
        angles: Doubles,
        frame_shape: tuple[int, int],
        *,
        focal_length: float,
        defocus: float,
        ambient: float,
    ) -> None:
        """centres [n, 2] as (y, x), radii [n], focal_length, defocus in positions of the coarse `Grid`; angles [n]
        of contact in rad; ambient 0..1 of the scene's mean."""
        self._grid = Grid(*frame_shape)
        kernel = disk(defocus)
        margin = kernel.shape[0] // 2
        height, width = self._grid.shape
        self._padded = (height + 2 * margin, width + 2 * margin)
        self._inside = (slice(margin, margin + height), slice(margin, margin + width))
        self._spread = Spread(kernel, *self._padded)
        y, x = np.mgrid[: self._padded[0], : self._padded[1]] - np.float32(margin)
        middle = np.array(self._grid.shape) / 2 - 0.5
        rays = []
        lost = np.zeros(y.size, np.float32)
        for dy, dx in SUBRAYS:
            hit = _trace((y + dy).ravel(), (x + dx).ravel(), centres, radii, angles, middle, focal_length)
            lost[hit[0]] += (1 - hit[3]) / len(SUBRAYS)
            rays.append((*hit[:3], hit[3] / len(SUBRAYS)))
        place, source_y, source_x, light = (np.concatenate(part) for part in zip(*rays, strict=True))
        self._rays = gather(place, source_y, source_x, light, y.size, self._grid.shape)
        water = np.bincount(place, minlength=y.size).astype(np.float32) / len(SUBRAYS)
        mask = self._defocused(water).reshape(frame_shape)
        self.mask: Floats = np.where(mask < 1e-4, 0.0, np.minimum(mask, 1.0)).astype(
            np.float32
        )  # 1e-7: the transform's
        self._ambient = np.clip(ambient * self._defocused(lost), 0.0, None)[:, None]
        self.coverage = covered(self.mask)

    @classmethod
    def random(cls, rng: np.random.Generator, height: int, width: int, coverage: float) -> Beads:
        """Beads for frames [height, width] whose coverage comes within 0.03 of the one asked for, 0.02..0.9.

        Raises ValueError for another coverage.
        """
        check_coverage(coverage)
        grid = Grid(height, width)
        area, size = grid.shape[0] * grid.shape[1], grid.shape[1]
        radius = rng.uniform(*RADIUS) * size
        count = int(np.clip(round(coverage * area / (np.pi * radius**2)), 1, MOST_BEADS))
        typical = np.sqrt(coverage * area / (np.pi * count))
        radii = np.exp(RADIUS_SPREAD * rng.standard_normal(count))
        radii *= typical / np.sqrt((radii**2).mean())
        centres = _scattered(rng, radii, grid.shape)
        defocus = min(np.exp(rng.uniform(*np.log(DEFOCUS))) * size, max(0.8 * radii.max(), DEFOCUS[0] * size))
        return cls(
            centres,
            radii * _enlarged_to(coverage, centres, radii, grid.shape, defocus),
            np.deg2rad(rng.uniform(*CONTACT_ANGLE_DEG) + rng.uniform(-5, 5, count)),
            (height, width),
            focal_length=0.5 * size / np.tan(np.deg2rad(rng.uniform(*FIELD_OF_VIEW_DEG)) / 2),
            defocus=defocus,
            ambient=rng.uniform(*AMBIENT),
        )

    def render(self, frame: NDArray[np.uint8], strength: float = 1.0) -> NDArray[np.uint8]:
        """The uint8 [H, W, 3] frame as seen through the beads, a new array; strength 0..1 fades them in.

        Raises ValueError for a frame of another shape or type.
        """
        check_frame(frame, self.mask)
        small = self._grid.shrink(frame)
        light = self._defocused(self._rays @ small)
        light += self._ambient * small.mean(axis=0)
        return blend(frame, self.mask, light, strength)

    def _defocused(self, values: Floats) -> Floats:
        """Values [h w] or [h w, 3] of the padded grid, blurred: [H W] or [H W, 3]."""
        rows, columns = self._inside
        picture = self._spread(values.T.reshape(*values.shape[1:], *self._padded))[..., rows, columns]
        return self._grid.enlarge(picture.reshape(*values.shape[1:], -1).T)


def _trace(
    y: Floats, x: Floats, centres: Doubles, radii: Doubles, angles: Doubles, middle: Doubles, focal_length: float
) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """For the rays [n] through (y, x) that meet water: their index, where they arrive (y, x), share of light."""
    sphere = radii / np.sin(angles)
    apart2 = (y[:, None] - centres[:, 0]) ** 2 + (x[:, None] - centres[:, 1]) ** 2
    top = np.sqrt(np.maximum(sphere**2 - apart2, 0)) - sphere * np.cos(angles)  # the water's height over the glass
    top[apart2 >= radii**2] = -1.0
    bead = top.argmax(axis=1)
    ray = np.flatnonzero(top.max(axis=1) > 0)
    bead = bead[ray]
    glass = np.stack([x[ray] - middle[1], y[ray] - middle[0], np.full(ray.size, focal_length)], axis=1)
    depth = focal_length - sphere[bead] * np.cos(angles[bead])
    ball = np.stack([centres[bead, 1] - middle[1], centres[bead, 0] - middle[0], depth], axis=1)
    incoming = glass / np.linalg.norm(glass, axis=1, keepdims=True)
    inside, _ = _refract(incoming, np.broadcast_to([0.0, 0.0, 1.0], incoming.shape), 1 / WATER)
    offset = glass - ball
    along = (inside * offset).sum(axis=1)
    length = -along + np.sqrt(np.maximum(along**2 - (offset**2).sum(axis=1) + sphere[bead] ** 2, 0))
    normal = (offset + length[:, None] * inside) / sphere[bead][:, None]
    outgoing, passed = _refract(inside, normal, WATER)
    ahead = np.maximum(outgoing[:, 2], 0.15)  # rays that go sideways see what is far beyond the frame
    seen = focal_length * outgoing[:, :2] / ahead[:, None] + middle[::-1]
    return ray, seen[:, 1], seen[:, 0], passed.astype(np.float32)


def _refract(direction: Doubles, normal: Doubles, ratio: float) -> tuple[Doubles, Doubles]:
    """Snell's law in vectors, for rays that leave along the normal's side: their directions [n, 3] behind a surface
    with this ratio of indices (before / behind), and Fresnel's share [n] of light that passes, 0 where all is
    reflected."""
    before = np.clip((direction * normal).sum(axis=1), 0.0, 1.0)
    behind = np.sqrt(np.maximum(1.0 - ratio**2 * (1.0 - before**2), 0.0))
    across = (ratio * before - behind) / (ratio * before + behind + 1e-9)
    within = (ratio * behind - before) / (ratio * behind + before + 1e-9)
    bent = ratio * direction + (behind - ratio * before)[:, None] * normal
    return bent, 1.0 - (across**2 + within**2) / 2


def _scattered(rng: np.random.Generator, radii: Doubles, shape: tuple[int, int]) -> Doubles:
    """Centres [n, 2] for the beads, of several random ones always that farthest from other beads' rims."""
    inset = min(0.5 * radii.max(), 0.3 * min(shape)) if radii.size < 4 else 0.0
    centres = rng.uniform(inset, np.array(shape) - inset, (1, 2))
    for number in range(1, radii.size):
        tried = rng.uniform(0, shape, (8, 2))
        gaps = np.linalg.norm(tried[:, None] - centres[None], axis=2) - radii[:number]
        centres = np.vstack([centres, tried[gaps.min(axis=1).argmax()]])
    return centres


def _enlarged_to(coverage: float, centres: Doubles, radii: Doubles, shape: tuple[int, int], defocus: float) -> float:
    """The factor to all radii at which the defocused beads have this coverage."""
    kernel = disk(defocus)
    margin = kernel.shape[0] // 2
    y, x = np.mgrid[-margin : shape[0] + margin, -margin : shape[1] + margin]
    apart = np.hypot(y - centres[:, :1, None], x - centres[:, 1:, None])
    spread = Spread(kernel, *y.shape)
    low, high = 0.2, 5.0
    for _ in range(16):
        factor = np.sqrt(low * high)
        water = np.clip((factor * radii[:, None, None] - apart).max(axis=0) + 0.5, 0, 1)
        inside = spread(water)[margin : margin + shape[0], margin : margin + shape[1]]
        low, high = (factor, high) if (inside > 0.5).mean() < coverage else (low, factor)
    return float(high)
