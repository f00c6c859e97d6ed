"""Training windows for the obscuration network: the last seconds before a frame, disturbed and rendered.

A window is a sample of the recent frames, weighted so that their means estimate the car's running means. The mean of
so few frames shows traces of everything that moved, so the mean of all frames replaces it. The difference of the two,
the residual, is linear in the frames and goes through the same optics as they do.

The window is first disturbed by effects that are not lens faults (`disturbances`). Two thirds of the windows then get a
fault, which may appear or be wiped off within the window. Windows are rendered one at a time to fit the CPU's cache.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..edge.frame import SIZE
from ..edge.graph import GRID_SIDE, TIME_CONSTANTS_S
from .cache import FrameCache
from .disturbances import EMA_SQUARED_WEIGHTS, Exposure, Scene, add_lights, add_motion_blur, add_surfaces
from .faults import Fault, random_fault
from .masks import Draw
from .window_features import window_feature_maps

FRAMES = 10  # in a window
FAST_FRAMES = 3  # of these, sampled for the fast time constant
AGE_QUANTILE_MAX = 0.98  # of the exponential distribution of ages; older frames are not sampled
FAULT_PROBABILITY = 2 / 3
DRIVE_OFF_PROBABILITY = 0.05  # the car was stationary until some moment in the last second
APPEARED_PROBABILITY, WIPED_PROBABILITY = 0.25, 0.1  # of a fault, within the window
APPEARING_S = 0.15

Floats = NDArray[np.float32]

# Ages and weights that stand for all frames the car averages, denser where these weigh most.
ALL_AGES_S = np.concatenate([np.arange(0, 1, 0.05), np.arange(1, 3, 0.1), np.arange(3, 8, 0.25)])
ALL_WEIGHTS = np.stack(
    [np.exp(-ALL_AGES_S / time_constant_s) * np.gradient(ALL_AGES_S) for time_constant_s in TIME_CONSTANTS_S]
)
ALL_WEIGHTS = (ALL_WEIGHTS / ALL_WEIGHTS.sum(1, keepdims=True)).astype(np.float32)
# A weighted mean of squares minus the squared mean finds this share of the variance over time.
VARIANCE_SHARES = 1 - np.array(EMA_SQUARED_WEIGHTS, np.float32)
FULL_STRENGTH = np.ones(FRAMES, np.float32)  # of a fault, in every frame


@dataclass(frozen=True, eq=False)
class Window:
    """Input and target of the network."""

    feature_maps: Floats  # [20, 40, 40]
    target: Floats  # [20, 20], 0…1, the part of each cell where the lens is obscured
    newest: int  # number of its newest frame in the cache


class WindowSampler:
    """Samples windows from the frames of one car. The same seed and number give the same window."""

    def __init__(self, cache: FrameCache, kinds: tuple[str, ...], seed: int) -> None:
        self._cache = cache
        self._kinds = kinds
        self._seed = seed
        self._exposure = Exposure(np.random.default_rng((seed, 0)))

    def render(self, number: int, fixture: Fault | None = None) -> Window:
        """Render a disturbed window, in two of three cases with a fault.

        A fixture is in view in all frames and is not part of the target.
        """
        rng = np.random.default_rng((self._seed, 1, number))
        draw = Draw(rng)
        newest = int(rng.integers(len(self._cache)))
        scene = self._scene(rng, newest, rng.random() if draw.chance(DRIVE_OFF_PROBABILITY) else np.inf)
        add_motion_blur(draw, scene)
        add_lights(draw, scene)
        add_surfaces(draw, scene)
        if fixture is not None:
            _render_fault(scene, fixture, FULL_STRENGTH)
        target = np.zeros((GRID_SIDE, GRID_SIDE), np.float32)
        if draw.chance(FAULT_PROBABILITY):
            fault = random_fault(rng, self._kinds[rng.integers(len(self._kinds))])
            strength = _draw_strength(draw, scene.ages_s)
            _render_fault(scene, fault, strength)
            cells = np.asarray(cv2.resize(fault.mask, (GRID_SIDE, GRID_SIDE), interpolation=cv2.INTER_AREA), np.float32)
            target = cells * strength[0]  # as in the newest frame
        exposed = self._exposure.expose(draw, scene)
        return Window(window_feature_maps(exposed, scene.weights, scene.residual, VARIANCE_SHARES), target, newest)

    def recorded(self, newest: int, fault: Fault | None = None) -> Floats:
        """Compute the feature maps [20, 40, 40] of the window up to frame `newest` without disturbances.

        A `fault` is rendered on it at full strength.
        """
        scene = self._scene(np.random.default_rng((self._seed, 2, newest)), newest)
        if fault is not None:
            _render_fault(scene, fault, FULL_STRENGTH)
        frames = np.rint(scene.grey * 255).clip(0, 255).astype(np.uint8)
        return window_feature_maps(frames, scene.weights, scene.residual, VARIANCE_SHARES)

    def _scene(self, rng: np.random.Generator, newest: int, drive_off_s: float = np.inf) -> Scene:
        """Sample the frames up to `newest`, as of a car that was stationary until `drive_off_s` before it."""
        fast_s, slow_s = TIME_CONSTANTS_S
        ages = np.concatenate([_draw_ages(rng, fast_s, FAST_FRAMES), _draw_ages(rng, slow_s, FRAMES - FAST_FRAMES)])
        ages[0] = 0  # the newest frame is always sampled
        ages.sort()
        weights = _importance_weights(ages)
        all_ages = np.concatenate([ages, ALL_AGES_S])
        numbers = np.searchsorted(self._cache.clock_s, self._cache.clock_s[newest] - np.minimum(all_ages, drive_off_s))
        taken = self._cache.take(numbers.clip(self._cache.starts[newest], newest)) * np.float32(1 / 255)
        grey, flat = taken[:FRAMES], taken.reshape(len(taken), -1)
        # One vector product at a time is faster than matrix products, as in `window_features`.
        residual = [
            every @ flat[FRAMES:] - few @ flat[:FRAMES] for every, few in zip(ALL_WEIGHTS, weights, strict=True)
        ]
        return Scene(grey, np.stack(residual).reshape(-1, SIZE, SIZE), ages.astype(np.float32), weights)


def _render_fault(scene: Scene, fault: Fault, strength: Floats) -> None:
    """Render a fault on the frames, and on the residual at its mean strength."""
    fault.render(scene.grey, strength)
    fault.render(scene.residual, scene.weights @ strength, add_light=False)


def _draw_ages(rng: np.random.Generator, time_constant_s: float, count: int) -> NDArray[np.float64]:
    """Draw ages [count] in s, one from each of `count` equally likely ranges of the exponential distribution."""
    quantiles = (np.arange(count) + rng.random(count)) / count
    return -time_constant_s * np.log1p(-AGE_QUANTILE_MAX * quantiles)


def _importance_weights(ages: NDArray[np.float64]) -> Floats:
    """Compute the weights [2, K] with which frames of these ages estimate the running means; each row sums to 1."""
    shares = (FAST_FRAMES / FRAMES, 1 - FAST_FRAMES / FRAMES)
    densities = np.stack([np.exp(-ages / time_constant_s) / time_constant_s for time_constant_s in TIME_CONSTANTS_S])
    weights = densities / (shares @ densities)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _draw_strength(draw: Draw, ages_s: Floats) -> Floats:
    """Draw the strength of a fault in each frame, [K]: mostly 1, but some faults appear or are wiped off."""
    moment_s, course = draw.log_uniform(0.15, 3), draw.rng.random()
    if course < APPEARED_PROBABILITY:
        return ((moment_s - ages_s) / APPEARING_S + 0.5).clip(0, 1).astype(np.float32)
    if course > 1 - WIPED_PROBABILITY:
        return (ages_s > moment_s / 2).astype(np.float32)
    return np.ones(len(ages_s), np.float32)
