"""Windows of a drive to train the obscuration network on: the last seconds before a moment, disturbed and rendered.

A window holds a few frames of the recent past, weighted so that their means estimate the averages that the car keeps.
What a lens fault is not happens to them first: motion blur, lights and shadows that move, bare walls, exposure steps,
noise. Two thirds then get a fault, which may have fallen or been wiped off within the window.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..edge.frame import SIZE
from ..edge.graph import GRID_SIDE, TIME_CONSTANTS_S
from .cache import FrameCache
from .faults import Draw, random_faults, smooth
from .obscuration import feature_maps, frame_moments

FRAMES = 10  # of a window
QUICK_FRAMES = 3  # of these, drawn for the short span
REACH = 0.98  # share of the exponential weight that is drawn from; what lies further back is forgotten
FAULT_SHARE = 2 / 3
SURFACES_SHARE, SURFACES = 0.75, 3  # of the windows; of each
STOOD_SHARE = 0.05  # of the windows: the car stood before
FELL_SHARE, WIPED_SHARE = 0.25, 0.1  # of the faults: within the window
FELL_WITHIN_S = 0.15


@dataclass(frozen=True)
class Windows:
    """A batch: pictures [B, 20, 40, 40] and where the lens is obscured, [B, 20, 20] in 0…1."""

    feature_maps: Tensor
    target: Tensor


class WindowSampler:
    """Draws windows from the frames of a cache. The same seed draws the same windows."""

    def __init__(self, cache: FrameCache, kinds: tuple[str, ...], seed: int) -> None:
        self._cache = cache
        self._kinds = kinds
        self._rng = np.random.default_rng((seed, 1))
        self._generator = torch.Generator().manual_seed(seed * 100_003 + 1)

    @torch.no_grad()
    def rendered(self, batch: int) -> Windows:
        """Disturbed windows, most of them with a fault."""
        draw = Draw(self._generator, batch)
        frames, ages, weights = self._window(self._rng.integers(0, len(self._cache), batch))
        frames = _surfaces(draw, _lights(draw, _motion_blur(draw, frames), ages), ages)
        faulty = round(batch * FAULT_SHARE)
        kinds = self._rng.choice(self._kinds, faulty).tolist()
        faults = random_faults(self._generator, kinds)
        strength = _strength(Draw(self._generator, faulty), ages[:faulty])
        frames[:faulty] = faults.render(frames[:faulty], strength)
        target = torch.zeros(batch, GRID_SIDE, GRID_SIDE)
        masks = F.avg_pool2d(faults.mask.unsqueeze(1), SIZE // GRID_SIDE)[:, 0]
        target[:faulty] = masks * strength[:, :1, None]  # what the newest frame shows
        return Windows(_seen(_expose(draw, frames, ages), weights), target)

    @torch.no_grad()
    def plain(self, newest: NDArray[np.intp]) -> Tensor:
        """Pictures [B, 20, 40, 40] of the windows that end with these frames, as they were recorded."""
        frames, _, weights = self._window(newest)
        return _seen(frames, weights)

    def _window(self, newest: NDArray[np.intp]) -> tuple[Tensor, Tensor, Tensor]:
        """Grey frames [B, K, 80, 80] in 0…1, newest first; their ages [B, K] in s; weights [2, B, K]."""
        clock_s, starts, batch = self._cache.clock_s, self._cache.starts, len(newest)
        ages = np.concatenate(
            [
                self._ages(TIME_CONSTANTS_S[0], QUICK_FRAMES, batch),
                self._ages(TIME_CONSTANTS_S[1], FRAMES - QUICK_FRAMES, batch),
            ],
            axis=1,
        )
        ages[:, 0] = 0  # the newest frame is always among them
        ages.sort(axis=1)
        drawn = sum(
            share * np.exp(-ages / span) / span
            for span, share in zip(TIME_CONSTANTS_S, (QUICK_FRAMES / FRAMES, 1 - QUICK_FRAMES / FRAMES), strict=True)
        )
        weights = np.stack([np.exp(-ages / span) / span / drawn for span in TIME_CONSTANTS_S])
        weights /= weights.sum(-1, keepdims=True)
        stood_s = np.where(self._rng.random(batch) < STOOD_SHARE, self._rng.random(batch), np.inf)
        moments = clock_s[newest][:, None] - np.minimum(ages, stood_s[:, None])
        numbers = np.searchsorted(clock_s, moments).clip(starts[newest][:, None], newest[:, None])
        frames = self._cache.take(numbers.ravel()).reshape(batch, FRAMES, SIZE, SIZE)
        return torch.from_numpy(frames).float() / 255, torch.tensor(ages).float(), torch.tensor(weights).float()

    def _ages(self, time_constant_s: float, count: int, batch: int) -> NDArray[np.float64]:
        """Ages [B, count] in s, one from each of `count` equal parts of the exponential distribution."""
        share = (np.arange(count) + self._rng.random((batch, count))) / count
        return -time_constant_s * np.log1p(-REACH * share)


def _seen(frames: Tensor, weights: Tensor) -> Tensor:
    batch, count = frames.shape[:2]
    each = frame_moments(frames.reshape(batch * count, 1, SIZE, SIZE)).unflatten(0, (batch, count))
    return feature_maps(torch.einsum("bkn,sbk->bsn", each, weights))


def _strength(draw: Draw, ages: Tensor) -> Tensor:
    """How far each fault is there in each frame, [B, K]: most of them always, some since or until a moment."""
    moment_s = draw.scale(0.15, 3).unsqueeze(1)
    when = draw.between(0, 1).unsqueeze(1)
    fallen = ((moment_s - ages) / FELL_WITHIN_S + 0.5).clamp(0, 1)
    strength = torch.where(when < FELL_SHARE, fallen, torch.ones_like(ages))
    return torch.where(when > 1 - WIPED_SHARE, (ages > moment_s / 2).float(), strength)


def _motion_blur(draw: Draw, frames: Tensor) -> Tensor:
    chosen = draw.chance(0.25).nonzero()[:, 0]
    if not len(chosen):
        return frames
    each = Draw(draw.generator, len(chosen) * frames.shape[1])
    most = Draw(draw.generator, len(chosen))
    width_y = each.between(0, 1) * most.between(0, 1).repeat_interleave(frames.shape[1])
    width_x = each.between(0, 3) * most.between(0, 1).repeat_interleave(frames.shape[1])
    padded = F.pad(frames[chosen], (8, 8, 8, 8), mode="reflect").flatten(0, 1)
    frames[chosen] = smooth(padded, width_y, width_x)[:, 8:-8, 8:-8].unflatten(0, frames[chosen].shape[:2])
    return frames


def _lights(draw: Draw, frames: Tensor, ages: Tensor) -> Tensor:
    """Glare and shadows that move."""
    chosen = draw.chance(0.2).nonzero()[:, 0]
    few = Draw(draw.generator, len(chosen))
    x, y = _path(few, ages[chosen], few.scale(15, 150), flat=1.0)
    radius = few.scale(3, 25).view(-1, 1, 1, 1)
    bump = (-0.5 * ((x.square() + y.square()) / radius.square()).square()).exp()
    amount = few.between(-0.6, 0.8).view(-1, 1, 1, 1)
    lit = frames[chosen]
    frames[chosen] = torch.where(amount > 0, lit + amount * bump, lit * (1 + amount * bump))
    return frames


def _surfaces(draw: Draw, frames: Tensor, ages: Tensor) -> Tensor:
    """Calm surfaces of one shade with sharp edges that pass with the scene: nothing to see on them is no fault.

    Walls, boards, furniture, up to as large as the frame and slow enough to stay in it for longer than the memory: a
    network that has not met them in its own drive calls the next bare wall a drop.
    """
    chosen = draw.chance(SURFACES_SHARE).nonzero()[:, 0]
    for _ in range(SURFACES):
        few = Draw(draw.generator, len(chosen))
        x, y = _path(few, ages[chosen], few.scale(3, 60), flat=0.5)
        tilt = few.between(-0.3, 0.3).view(-1, 1, 1, 1)
        along, across = x * tilt.cos() + y * tilt.sin(), y * tilt.cos() - x * tilt.sin()
        nearer = (-few.between(-0.25, 0.25).unsqueeze(1) * ages[chosen])[..., None, None].exp()
        width, height = few.scale(8, 80).view(-1, 1, 1, 1) * nearer, few.scale(8, 80).view(-1, 1, 1, 1) * nearer
        inside = (torch.minimum(width / 2 - along.abs(), height / 2 - across.abs()) + 0.5).clamp(0, 1)
        slope = few.between(-0.25, 0.25).view(-1, 1, 1, 1)
        shade = (few.between(0.05, 0.95).view(-1, 1, 1, 1) + slope * along / width).clamp(0, 1)
        frames[chosen] = frames[chosen] * (1 - inside) + inside * shade
    return frames


def _path(draw: Draw, ages: Tensor, speed: Tensor, flat: float) -> tuple[Tensor, Tensor]:
    """Coordinates [B, K, 80, 80] around a point that moves at `speed` pixels a second; `flat` slows it vertically."""
    steps = torch.arange(float(SIZE))
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    angle = draw.between(0, 2 * math.pi)
    at_x = draw.between(-10, 90).unsqueeze(1) - ages * (speed * angle.cos()).unsqueeze(1)
    at_y = draw.between(-10, 90).unsqueeze(1) - ages * (speed * angle.sin() * flat).unsqueeze(1)
    return columns - at_x[..., None, None], rows - at_y[..., None, None]


def _expose(draw: Draw, frames: Tensor, ages: Tensor) -> Tensor:
    """Another exposure, at times a step of it within the window; then noise and rounding, which no optics blurs."""
    gain = draw.scale(0.7, 1.4).unsqueeze(1)
    step = draw.chance(0.2).unsqueeze(1) & (ages < draw.between(0, 3).unsqueeze(1))
    gain = torch.where(step, gain * draw.scale(0.6, 1.6).unsqueeze(1), gain)
    exposed = frames * gain[..., None, None] + draw.between(-0.04, 0.04).view(-1, 1, 1, 1)
    noise = draw.between(0, 0.015).view(-1, 1, 1, 1) * torch.randn(frames.shape, generator=draw.generator)
    return ((exposed + noise).clamp(0, 1) * 255).round() / 255
