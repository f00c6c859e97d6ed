"""Mud and dust on the lens: opaque or half-transparent, out of focus, with a colour of its own.

Dirt hides the scene and scatters the light that falls on it, so its colour is a share of the scene's mean light:
below 1 against the light, above 1 when the sun lights it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from .grid import Doubles, Floats, blend, check_coverage, check_frame, covered, disk, uneven

COLOURS = (  # red, green, blue as shares of the scene's mean light
    (0.50, 0.37, 0.25),  # wet earth
    (0.80, 0.62, 0.42),  # clay
    (0.55, 0.54, 0.52),  # road dust
    (0.14, 0.12, 0.11),  # soot, oil
    (1.45, 1.36, 1.20),  # dust in the sun
)
DEFOCUS = (0.016, 0.07)  # radius of the disk of defocus, of the frame's width


@dataclass(frozen=True, slots=True)
class _Kind:
    count: tuple[int, int]  # blots
    spread: float  # of the logarithm of their radii
    rough: float  # how uneven outlines are
    opacity: tuple[float, float]
    softest: float  # radius of the disk of defocus, of the radius of a typical blot


KINDS = {
    "clods": _Kind((1, 3), 0.4, 0.30, (0.9, 1.0), 0.5),
    "splats": _Kind((5, 18), 0.6, 0.35, (0.6, 1.0), 0.6),
    "specks": _Kind((40, 120), 0.5, 0.25, (0.5, 1.0), 0.8),
    "veil": _Kind((1, 4), 0.3, 0.60, (0.4, 0.75), 1.0),
}


class Mud:
    """Dirt that stays where it is; made once an episode. The rendered image is linear in the scene.

    mask: float32 [H, W], 0..1, share of the position's blur disk that is dirty.
    coverage: share of positions with mask > 0.5, 0..1.
    """

    def __init__(self, mask: Floats, opacity: Floats, colour: Floats) -> None:
        """mask, opacity [H, W], 0..1; colour [H, W, 3] as shares of the scene's mean light."""
        self.mask = mask
        self.coverage = covered(mask)
        self._seen: Floats = (mask * (1 - opacity))[..., None]
        self._own: Floats = (mask * opacity)[..., None] * colour

    @classmethod
    def random(cls, rng: np.random.Generator, height: int, width: int, coverage: float) -> Mud:
        """Dirt for frames [height, width] whose coverage comes within 0.03 of the one asked for, 0.02..0.9.

        Raises ValueError for another coverage.
        """
        check_coverage(coverage)
        shape = (height, width)
        kind = KINDS[rng.choice(list(KINDS))]
        radii = np.exp(kind.spread * rng.standard_normal(rng.integers(*kind.count, endpoint=True)))
        radii *= np.sqrt(coverage * height * width / (np.pi * (radii**2).sum()))
        typical = float(np.median(radii))
        defocus = max(min(rng.uniform(*DEFOCUS) * width, kind.softest * typical), DEFOCUS[0] * width)
        thickness = _blots(rng, shape, radii) + kind.rough * _rough(rng, shape, typical)
        mask = _defocused_at(coverage, thickness, disk(defocus))
        grain = ndimage.gaussian_filter(_rough(rng, shape, 0.12 * width), 0.4 * defocus)
        opacity = rng.uniform(*kind.opacity) + 0.08 * grain
        return cls(mask, np.clip(opacity, 0.0, 1.0).astype(np.float32), _colour(rng, shape, grain))

    def render(self, frame: NDArray[np.uint8], strength: float = 1.0) -> NDArray[np.uint8]:
        """The uint8 [H, W, 3] frame as seen past the dirt, a new array; strength 0..1 fades the dirt in.

        Raises ValueError for a frame of another shape or type.
        """
        check_frame(frame, self.mask)
        light = self._seen * frame.astype(np.float32) + self._own * np.float32(frame.mean())
        return blend(frame, self.mask, light, strength)


def _blots(rng: np.random.Generator, shape: tuple[int, int], radii: Doubles) -> Doubles:
    """A field [H, W], 0 at the rims of the blots, 1 in their middles, falling on outside."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    field = np.full(shape, -np.inf)
    for radius in radii:
        centre_y, centre_x = rng.uniform(0, shape)
        angle, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.5)
        along = (x - centre_x) * np.cos(angle) + (y - centre_y) * np.sin(angle)
        across = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
        field = np.maximum(field, 1.0 - np.hypot(along / stretch, across * stretch) / radius)
    return field


def _rough(rng: np.random.Generator, shape: tuple[int, int], radius: float) -> Floats:
    """Noise of coarse and fine bumps, deviation about 1."""
    return 0.8 * uneven(rng, shape, radius) + 0.5 * uneven(rng, shape, 0.35 * radius)


def _defocused_at(coverage: float, thickness: Doubles, kernel: Floats) -> Floats:
    """The mask [H, W] of all that is thicker than some level, defocused: the level that gives the coverage."""
    margin = kernel.shape[0] // 2
    padded = np.pad(thickness, margin, mode="edge")
    low, high = float(thickness.min()) - 1.0, float(thickness.max())
    for _ in range(14):
        level = (low + high) / 2
        mask = signal.oaconvolve((padded > level).astype(np.float32), kernel, mode="valid")
        low, high = (low, level) if covered(mask) < coverage else (level, high)
    return np.clip(mask, 0.0, 1.0).astype(np.float32)


def _colour(rng: np.random.Generator, shape: tuple[int, int], grain: Floats) -> Floats:
    """One colour and a second one mixed in, lit from one side: float32 [H, W, 3]."""
    first, second = (np.array(COLOURS[rng.integers(len(COLOURS))]) * rng.uniform(0.85, 1.15) for _ in range(2))
    share = np.clip(0.25 + 0.2 * uneven(rng, shape, 0.3 * shape[1]), 0.0, 0.6)[..., None]
    y, x = np.mgrid[-0.5 : 0.5 : shape[0] * 1j, -0.5 : 0.5 : shape[1] * 1j]
    side = rng.uniform(0, 2 * np.pi)
    lit = 1.0 + rng.uniform(0.0, 0.5) * (x * np.cos(side) + y * np.sin(side)) + 0.10 * grain
    return (np.maximum(lit, 0.1)[..., None] * ((1 - share) * first + share * second)).astype(np.float32)
