"""Fine spatter: many tiny droplets and specks in random clusters, each dark, bright or bending the light.

A droplet this small shows a miniature of a wide part of the scene, upside down, of which at this size little more
than its colours remain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .grid import Doubles, Floats, Grid, blend, check_coverage, check_frame, covered, gather

RADIUS = (0.0035, 0.019)  # of the frame's width: droplets 1..6 wide in 160
SOFTNESS = (0.005, 0.016)  # half width of a droplet's rim, of the frame's width
CLUSTERS = (2, 10)
SCATTERED = (0.1, 0.7)  # share of droplets outside clusters
MINIATURE = (3.0, 10.0)  # how many times smaller than the scene a droplet shows it
MOST_DROPLETS = 20_000
DARK, BRIGHT, BENDING = (0.1, 0.7), (1.15, 1.8), (0.8, 1.1)  # light, as a share of the mean or of what is seen


class Spatter:
    """Droplets that stay where they are; made once an episode. The rendered image is linear in the scene.

    mask: float32 [H, W], 0..1, share of the position's light that meets droplets.
    coverage: share of positions with mask > 0.5, 0..1.
    """

    def __init__(self, mask: Floats, source_y: Floats, source_x: Floats, bent: Floats, own: Floats) -> None:
        """All [H, W]: mask, 0..1; where the light through droplets comes from, in positions of the frame, and how
        much of it arrives; the light of opaque specks as shares of the scene's mean."""
        self.mask = mask
        self.coverage = covered(mask)
        self._grid = Grid(*mask.shape)
        place = np.flatnonzero(mask * bent > 0)
        y, x = ((source.ravel()[place] + 0.5) / self._grid.step - 0.5 for source in (source_y, source_x))
        self._rays = gather(place, y, x, (mask * bent).ravel()[place], mask.size, self._grid.shape)
        self._own = (mask * own).reshape(-1, 1)

    @classmethod
    def random(cls, rng: np.random.Generator, height: int, width: int, coverage: float) -> Spatter:
        """Droplets for frames [height, width] whose coverage comes within 0.01 of the one asked for, 0.02..0.9.

        Raises ValueError for another coverage.
        """
        check_coverage(coverage)
        clear = np.ones((height, width))  # 1 - mask
        total, bent, own, source_y, source_x = (np.zeros((height, width)) for _ in range(5))
        soft = rng.uniform(*SOFTNESS) * width
        kinds = rng.choice(3, MOST_DROPLETS, p=rng.dirichlet((0.6, 0.6, 1.0)))
        levels = rng.uniform(*np.array((DARK, BRIGHT, BENDING))[kinds].T)
        smaller = rng.uniform(*MINIATURE)
        wanted, count = coverage * height * width, 0
        for centre, radius, kind, level in zip(*_droplets(rng, height, width), kinds, levels, strict=True):
            part, profile, y, x = _round(centre, radius, soft, (height, width))
            count -= int((clear[part] < 0.5).sum())
            clear[part] *= 1 - profile
            count += int((clear[part] < 0.5).sum())
            (own if kind < 2 else bent)[part] += level * profile
            total[part] += profile
            source_y[part] += profile * (centre[0] - smaller * (y - centre[0]))
            source_x[part] += profile * (centre[1] - smaller * (x - centre[1]))
            if count >= wanted:
                break
        met = np.maximum(total, 1e-6)
        parts = (1 - clear, source_y / met, source_x / met, bent / met, own / met)
        return cls(*(part.astype(np.float32) for part in parts))

    def render(self, frame: NDArray[np.uint8], strength: float = 1.0) -> NDArray[np.uint8]:
        """The uint8 [H, W, 3] frame as seen through the droplets, a new array; strength 0..1 fades them in.

        Raises ValueError for a frame of another shape or type.
        """
        check_frame(frame, self.mask)
        small = self._grid.shrink(frame)
        light = self._rays @ small
        light += self._own * small.mean(axis=0)
        return blend(frame, self.mask, light, strength)


def _droplets(rng: np.random.Generator, height: int, width: int) -> tuple[Doubles, Doubles]:
    """Centres [n, 2] and radii [n] of more droplets than a frame can hold, in the order of their arrival."""
    clusters = rng.integers(*CLUSTERS, endpoint=True)
    middles = rng.uniform((0, 0), (height, width), (clusters, 2))
    spreads = rng.uniform(0.06, 0.3, clusters) * width
    member = rng.choice(clusters, MOST_DROPLETS, p=rng.dirichlet(np.ones(clusters)))
    centres = middles[member] + spreads[member, None] * rng.standard_normal((MOST_DROPLETS, 2))
    anywhere = rng.uniform((0, 0), (height, width), (MOST_DROPLETS, 2))
    alone = rng.random(MOST_DROPLETS) < rng.uniform(*SCATTERED)
    alone |= (centres < 0).any(axis=1) | (centres > (height, width)).any(axis=1)
    centres[alone] = anywhere[alone]
    fine = rng.uniform(0.8, 2.5)  # the higher, the more small ones
    radii = (RADIUS[0] + (RADIUS[1] - RADIUS[0]) * rng.random(MOST_DROPLETS) ** fine) * width
    return centres, radii


def _round(
    centre: Doubles, radius: float, soft: float, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], Doubles, Doubles, Doubles]:
    """The part of the frame that a soft droplet touches, its profile there (0..1), and positions (y, x)."""
    reach = radius + soft + 1
    top, left = (max(0, int(position - reach)) for position in centre)
    bottom, right = (min(size, int(position + reach) + 2) for position, size in zip(centre, shape, strict=True))
    y, x = np.mgrid[top:bottom, left:right]
    profile = np.clip((radius + soft - np.hypot(y - centre[0], x - centre[1])) / (2 * soft), 0.0, 1.0)
    return (slice(top, bottom), slice(left, right)), profile * min(1.0, radius / soft), y, x
