"""Films on the lens: grease, fog, the smear of a wet finger.

A film has no outline that is seen; it scatters light. A narrow part of the scattered light blurs the scene, a
wide part lies over the picture as a veil and takes the contrast. A smear scatters across its grooves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .grid import Doubles, Floats, Grid, Spread, blend, check_coverage, check_frame, covered, mirror, uneven

GREASE_BLUR = (0.012, 0.045)  # deviation of the narrow part, of the frame's width
FOG_BLUR = (0.015, 0.06)
SMEAR_BLUR = (0.025, 0.075)  # across the grooves
GROOVES_BLUR = 0.25  # along the grooves, of that across
WIDE_BLUR = 0.12  # deviation of the wide part, of the frame's width
KINDS = ("grease", "fog", "smear")


class Film:
    """A film that stays where it is; made once an episode. The rendered image is linear in the scene.

    mask: float32 [H, W], 0..1, how thick the film is.
    coverage: share of positions with mask > 0.5, 0..1.
    """

    def __init__(self, mask: Floats, kernel: Floats, haze: Floats, tint: Floats) -> None:
        """mask [H, W]; kernel [2 k + 1, 2 k + 1] of the blur on the coarse `Grid`, sum 1; haze [H, W], 0..1, share of
        light spread over the whole frame; tint [3] of that light."""
        self.mask = mask
        self.coverage = covered(mask)
        self._grid = Grid(*mask.shape)
        margin = kernel.shape[0] // 2
        height, width = self._grid.shape
        rows = np.rint(mirror(np.arange(-margin, height + margin, dtype=np.float32), height)).astype(int)
        columns = np.rint(mirror(np.arange(-margin, width + margin, dtype=np.float32), width)).astype(int)
        self._border = (rows[:, None] * width + columns).ravel()
        self._padded = (rows.size, columns.size)
        self._inside = (slice(None), slice(margin, margin + height), slice(margin, margin + width))
        self._spread = Spread(kernel, *self._padded)
        self._clear = (mask * (1 - haze)).reshape(-1, 1)
        self._veil = (mask * haze).reshape(-1, 1) * tint.astype(np.float32)

    @classmethod
    def random(cls, rng: np.random.Generator, height: int, width: int, coverage: float) -> Film:
        """A film for frames [height, width] whose coverage comes within 0.03 of the one asked for, 0.02..0.9.

        Raises ValueError for another coverage.
        """
        check_coverage(coverage)
        shape, size = (height, width), Grid(height, width).shape[1]
        kind = rng.choice(KINDS)
        angle = rng.uniform(0, np.pi)
        if kind == "smear":
            field, soft = _smear(rng, shape, coverage, angle), rng.uniform(0.3, 0.7)
            blur, along, haze = rng.uniform(*SMEAR_BLUR), GROOVES_BLUR, rng.uniform(0.05, 0.35)
        elif kind == "fog":
            field, soft = _fog(rng, shape, angle), rng.uniform(0.8, 1.6)
            blur, along, haze = rng.uniform(*FOG_BLUR), 1.0, rng.uniform(0.3, 0.75)
        else:
            field, soft = _grease(rng, shape, coverage), rng.uniform(0.4, 1.0)
            blur, along, haze = rng.uniform(*GREASE_BLUR), rng.uniform(0.6, 1.0), rng.uniform(0.1, 0.4)
        level = np.quantile(field, 1 - coverage)
        ramp = np.clip((field - level) / soft + 0.5, 0.0, 1.0)
        mask = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
        thick = 1.0 + 0.15 * uneven(rng, shape, 0.3 * width) + 0.08 * uneven(rng, shape, 0.08 * width)
        tint = rng.uniform(0.95, 1.35) * rng.uniform(0.95, 1.05, 3)
        kernel = _kernel(blur * size, along, angle, wide=WIDE_BLUR * size, share=rng.uniform(0.1, 0.35))
        return cls(mask, kernel, np.clip(haze * thick, 0.0, 0.95).astype(np.float32), tint)

    def render(self, frame: NDArray[np.uint8], strength: float = 1.0) -> NDArray[np.uint8]:
        """The uint8 [H, W, 3] frame as seen through the film, a new array; strength 0..1 fades the film in.

        Raises ValueError for a frame of another shape or type.
        """
        check_frame(frame, self.mask)
        small = self._grid.shrink(frame)
        picture = self._spread(small.T[:, self._border].reshape(3, *self._padded))[self._inside]
        light = self._clear * self._grid.enlarge(picture.reshape(3, -1).T)
        light += self._veil * small.mean(axis=0)
        return blend(frame, self.mask, light, strength)


def _turned(shape: tuple[int, int], centre: Doubles, angle: float) -> tuple[Doubles, Doubles]:
    """Positions along and across a direction from a centre (y, x), in frame widths, each [H, W]."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    y, x = (y - centre[0]) / shape[1], (x - centre[1]) / shape[1]
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _grease(rng: np.random.Generator, shape: tuple[int, int], coverage: float) -> Doubles:
    """One to three merged finger prints, anywhere and up to the corners."""
    radius = np.sqrt(coverage * shape[0] / (shape[1] * np.pi))
    prints = []
    for size in rng.uniform(0.6, 1.2, rng.integers(1, 4)):
        along, across = _turned(shape, rng.uniform(0, shape), rng.uniform(0, np.pi))
        prints.append(-(along**2 / 1.4 + across**2 * 1.4) / (size * radius) ** 2)
    merged = np.logaddexp.reduce(prints) - np.log(len(prints))
    return -np.sqrt(np.maximum(-merged, 0)) + 0.12 * uneven(rng, shape, radius * shape[1])


def _fog(rng: np.random.Generator, shape: tuple[int, int], angle: float) -> Doubles:
    """Condensation that comes from one side, or from all sides, or from the middle."""
    along, _ = _turned(shape, np.array(shape) / 2, 2 * angle)
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    slope = (along, np.hypot(y, x), -np.hypot(y, x))[rng.integers(3)]
    return slope / slope.std() + 0.5 * uneven(rng, shape, 0.5 * shape[1])


def _smear(rng: np.random.Generator, shape: tuple[int, int], coverage: float, angle: float) -> Doubles:
    """A band with grooves along its direction, ending somewhere."""
    along, across = _turned(shape, rng.uniform(0.2, 0.8, 2) * shape, angle)
    half = rng.uniform(0.15, 0.4) + 0.4 * coverage
    grooves = ndimage.gaussian_filter1d(rng.standard_normal(512), rng.uniform(3, 9), mode="wrap")
    bent = across + 0.03 * uneven(rng, shape, 0.6 * shape[1])
    groove = np.interp(bent, np.linspace(-1.5, 1.5, 512), grooves / grooves.std())
    band = -np.hypot(across / half, np.maximum(np.abs(along) - 1.2 * half, 0) / (0.5 * half))
    return band + 0.22 * groove + 0.12 * uneven(rng, shape, 0.3 * shape[1])


def _kernel(blur: float, along: float, angle: float, *, wide: float, share: float) -> Floats:
    """The scatter: a narrow Gaussian, narrower in the direction of the grooves, and a wide one of this share."""
    reach = int(np.ceil(2 * wide))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    ahead, aside = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    narrow = np.exp(-((ahead / max(along * blur, 0.4)) ** 2 + (aside / blur) ** 2) / 2)
    halo = np.exp(-(y**2 + x**2) / (2 * wide**2))
    return ((1 - share) * narrow / narrow.sum() + share * halo / halo.sum()).astype(np.float32)
