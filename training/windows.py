"""Windows of a drive to train the obscuration network on: the last seconds before a moment, disturbed and rendered.

A window holds a few frames of the recent past, weighted so that their means estimate the averages that the car keeps.
Means of few frames leave traces of what moved: so the mean picture is that of all frames. What all have beyond the few,
the rest, is linear, and goes through the same optics as the frames.
What a lens fault is not happens to them first: motion blur, lights and shadows that move, bare walls, exposure steps,
noise (`disturbances`). Two thirds then get a fault, which may have fallen or been wiped off within the window.

One window is rendered at a time, so that all that is done to it stays in the processor's cache.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..edge.frame import SIZE
from ..edge.graph import GRID_SIDE, TIME_CONSTANTS_S
from .cache import FrameCache
from .disturbances import ALL_SQUARES, Exposure, Scene, light_up, pass_surfaces, smear
from .faults import Fault, random_fault
from .masks import Draw
from .measured import window_feature_maps

FRAMES = 10  # of a window
QUICK_FRAMES = 3  # of these, drawn for the short span
REACH = 0.98  # share of the exponential weight that is drawn from; what lies further back is forgotten
FAULT_SHARE = 2 / 3
STOOD_SHARE = 0.05  # of the windows: the car stood before
FELL_SHARE, WIPED_SHARE = 0.25, 0.1  # of the faults: within the window
FELL_WITHIN_S = 0.15

Floats = NDArray[np.float32]

# All the frames that the car averages, closely where they weigh most.
ALL_AGES_S = np.concatenate([np.arange(0, 1, 0.05), np.arange(1, 3, 0.1), np.arange(3, 8, 0.25)])
ALL_WEIGHTS = np.stack(
    [np.exp(-ALL_AGES_S / time_constant_s) * np.gradient(ALL_AGES_S) for time_constant_s in TIME_CONSTANTS_S]
)
ALL_WEIGHTS = (ALL_WEIGHTS / ALL_WEIGHTS.sum(1, keepdims=True)).astype(np.float32)
VARIANCE_SHARES = 1 - np.array(ALL_SQUARES, np.float32)  # what the averages find of the whole variance over time
ALWAYS = np.ones(FRAMES, np.float32)  # strength of what is there in every frame


@dataclass(frozen=True)
class Window:
    """What the network is shown, and what it should say."""

    feature_maps: Floats  # [20, 40, 40]
    target: Floats  # [20, 20], 0…1, where the lens is obscured
    newest: int  # number of its newest frame in the cache


class WindowSampler:
    """Draws windows from the frames of one car. The same seed and number draw the same window."""

    def __init__(self, cache: FrameCache, kinds: tuple[str, ...], seed: int) -> None:
        self._cache = cache
        self._kinds = kinds
        self._seed = seed
        self._exposure = Exposure(np.random.default_rng((seed, 0)))

    def rendered(self, number: int, fixture: Fault | None = None) -> Window:
        """A disturbed window, in two of three cases with a fault. A fixture is in view all the time and is none."""
        rng = np.random.default_rng((self._seed, 1, number))
        draw = Draw(rng)
        newest = int(rng.integers(len(self._cache)))
        scene = self._scene(rng, newest, rng.random() if draw.chance(STOOD_SHARE) else np.inf)
        smear(draw, scene)
        light_up(draw, scene)
        pass_surfaces(draw, scene)
        if fixture is not None:
            _cover(scene, fixture, ALWAYS)
        target = np.zeros((GRID_SIDE, GRID_SIDE), np.float32)
        if draw.chance(FAULT_SHARE):
            fault = random_fault(rng, self._kinds[rng.integers(len(self._kinds))])
            strength = _strength(draw, scene.ages_s)
            _cover(scene, fault, strength)
            cells = cv2.resize(fault.mask, (GRID_SIDE, GRID_SIDE), interpolation=cv2.INTER_AREA)
            target = cells * strength[0]  # what the newest frame shows
        exposed = self._exposure.expose(draw, scene)
        return Window(window_feature_maps(exposed, scene.weights, scene.rest, VARIANCE_SHARES), target, newest)

    def plain(self, newest: int, fault: Fault | None = None) -> Floats:
        """Pictures [20, 40, 40] of the window that ends with this frame, as it was recorded or with a fault on it."""
        scene = self._scene(np.random.default_rng((self._seed, 2, newest)), newest)
        if fault is not None:
            _cover(scene, fault, ALWAYS)
        frames = np.rint(scene.grey * 255).clip(0, 255).astype(np.uint8)
        return window_feature_maps(frames, scene.weights, scene.rest, VARIANCE_SHARES)

    def _scene(self, rng: np.random.Generator, newest: int, stood_s: float = np.inf) -> Scene:
        """The frames of the window that ends with `newest`, after a stand of so many seconds if finite."""
        ages = np.concatenate(
            [_ages(rng, TIME_CONSTANTS_S[0], QUICK_FRAMES), _ages(rng, TIME_CONSTANTS_S[1], FRAMES - QUICK_FRAMES)]
        )
        ages[0] = 0  # the newest frame is always among them
        ages.sort()
        shares = (QUICK_FRAMES / FRAMES, 1 - QUICK_FRAMES / FRAMES)
        densities = np.stack(
            [np.exp(-ages / time_constant_s) / time_constant_s for time_constant_s in TIME_CONSTANTS_S]
        )
        weights = densities / (shares @ densities)
        weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
        all_ages = np.concatenate([ages, ALL_AGES_S])
        numbers = np.searchsorted(self._cache.clock_s, self._cache.clock_s[newest] - np.minimum(all_ages, stood_s))
        taken = self._cache.take(numbers.clip(self._cache.starts[newest], newest)) * np.float32(1 / 255)
        grey, flat = taken[:FRAMES], taken.reshape(len(taken), -1)
        # A vector at a time: see `measured`.
        rest = [every @ flat[FRAMES:] - few @ flat[:FRAMES] for every, few in zip(ALL_WEIGHTS, weights, strict=True)]
        return Scene(grey, np.stack(rest).reshape(-1, SIZE, SIZE), ages.astype(np.float32), weights)


def _cover(scene: Scene, fault: Fault, strength: Floats) -> None:
    """Put a fault over the frames, and over the rest as strongly as on their average."""
    fault.render(scene.grey, strength)
    fault.render(scene.rest, scene.weights @ strength, lit=False)


def _ages(rng: np.random.Generator, time_constant_s: float, count: int) -> NDArray[np.float64]:
    """Ages [count] in s, one from each of `count` equal parts of the exponential distribution."""
    share = (np.arange(count) + rng.random(count)) / count
    return -time_constant_s * np.log1p(-REACH * share)


def _strength(draw: Draw, ages_s: Floats) -> Floats:
    """How far a fault is there in each frame, [K]: most of them always, some since or until a moment."""
    moment_s, when = draw.scale(0.15, 3), draw.rng.random()
    if when < FELL_SHARE:
        return ((moment_s - ages_s) / FELL_WITHIN_S + 0.5).clip(0, 1).astype(np.float32)
    if when > 1 - WIPED_SHARE:
        return (ages_s > moment_s / 2).astype(np.float32)
    return np.ones(len(ages_s), np.float32)
