"""References for training: each window is shown beside the reference of another excerpt of the same car's drives.

On the car, the reference comes from another drive than the frames. A network trained on windows beside references that
include them would report whatever the calibration drive did not pass; one trained beside references of other cars would
learn to ignore the reference. Some references come from an excerpt that was partly wet, as an unlabelled drive may be.
Each car also gets some fixtures: objects that are always in view, such as a bumper, a sticker or a scratch, and that
are not faults.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..edge.graph import FEATURE_SIDE, REFERENCE_SIDE
from ..edge.reference import Reference, enlarge, make_reference
from ..edge.scorer import STILL_MOTION
from .cache import FrameCache
from .faults import Fault, random_fault
from .masks import Draw
from .obscuration import FLOOR, LOG_SCALE
from .windows import WindowSampler

WINDOWS_PER_CAR = 300  # undisturbed, evenly spaced over the drives
EXCERPTS = 24  # of the drives, a reference for each
EXCERPT_S = (15.0, 150.0)  # shortest and longest duration
EXCERPT_SHARE_MAX = 0.45  # of the drives, so that every window lies outside of some excerpts
EXCERPT_WINDOWS_MIN = 16  # fewer give no useful quantiles
WET_PROBABILITY = 0.2  # of a reference: an eighth to a third of its excerpt is wet
FIXTURES = 4  # for each car: faults that its reference includes
FIXTURE_WINDOWS = 24  # of an excerpt, with the fixture in view
FAST_STD = 1  # number of the feature map with the standard deviation over the fast time constant

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class References:
    """References of one car, enlarged for the network."""

    enlarged: Floats  # [R, 2, 20, 40, 40]
    first: NDArray[np.intp]  # [R] number of the first frame of each excerpt
    last: NDArray[np.intp]  # [R]
    fixtures: list[Fault]
    with_fixture: Floats  # [len(fixtures), 2, 20, 40, 40]

    def choose(self, rng: np.random.Generator, newest: int) -> Floats:
        """Choose a reference [2, 20, 40, 40] of an excerpt without this frame, or any if all contain it."""
        elsewhere = np.flatnonzero((newest < self.first) | (newest > self.last))
        return self.enlarged[rng.choice(elsewhere) if len(elsewhere) else rng.integers(len(self.first))]


def car_references(sampler: WindowSampler, cache: FrameCache, kinds: tuple[str, ...], seed: int) -> References:
    """Make the references of random excerpts of a car's drives and those with fixtures."""
    rng = np.random.default_rng((seed, 3))
    newest, coarse = _driving_windows(sampler, cache)
    excerpts = [_draw_excerpt(rng, cache.clock_s[newest]) for _ in range(EXCERPTS)]
    references = []
    for excerpt in excerpts:
        windows = coarse[excerpt]
        if rng.random() < WET_PROBABILITY:
            windows = _partly_wet(rng, sampler, windows, newest[excerpt].tolist(), kinds)
        references.append(make_reference(windows))
    fixtures = [random_fault(rng, kinds[rng.integers(len(kinds))]) for _ in range(FIXTURES)]
    with_fixture = [_with_fixture(sampler, fixture, newest[excerpts[rng.integers(EXCERPTS)]]) for fixture in fixtures]
    return References(
        enlarged=enlarge(np.stack(references)),
        first=np.array([newest[excerpt.start] for excerpt in excerpts]),
        last=np.array([newest[excerpt.stop - 1] for excerpt in excerpts]),
        fixtures=fixtures,
        with_fixture=enlarge(np.stack(with_fixture)),
    )


def drive_reference(cache: FrameCache, seed: int) -> Reference:
    """Make the reference [2, 20, 10, 10] of whole drives, which is used until there is a calibration."""
    sampler = WindowSampler(cache, (), seed)
    return make_reference(np.stack([_coarse(sampler.recorded(number)) for number in _spaced(cache).tolist()]))


def _spaced(cache: FrameCache) -> NDArray[np.intp]:
    """Space the newest frames of windows evenly over the drives."""
    return np.linspace(0, len(cache) - 1, min(WINDOWS_PER_CAR, len(cache))).astype(int)


def _driving_windows(sampler: WindowSampler, cache: FrameCache) -> tuple[NDArray[np.intp], Floats]:
    """Sample windows in which the car drives: the newest frames [N] and coarse feature maps [N, 20, 10, 10].

    A calibration leaves out the frames of a stationary car too. Where too few windows would be left, all are kept.
    """
    newest = _spaced(cache)
    recorded = [sampler.recorded(number) for number in newest.tolist()]
    coarse = np.stack([_coarse(feature_maps) for feature_maps in recorded])
    driving = np.flatnonzero([_motion(feature_maps) >= STILL_MOTION for feature_maps in recorded])
    if len(driving) < EXCERPT_WINDOWS_MIN:
        return newest, coarse
    return newest[driving], coarse[driving]


def _with_fixture(sampler: WindowSampler, fixture: Fault, newest: NDArray[np.intp]) -> Floats:
    """Make the reference [2, 20, 10, 10] of an excerpt with the fixture in view all the time."""
    few = newest[:: max(1, len(newest) // FIXTURE_WINDOWS)].tolist()
    return make_reference(np.stack([_coarse(sampler.recorded(number, fixture)) for number in few]))


def _draw_excerpt(rng: np.random.Generator, clock_s: NDArray[np.float64]) -> slice:
    """Draw an excerpt, as a slice of the windows with these times."""
    duration_s = min(Draw(rng).log_uniform(*EXCERPT_S), EXCERPT_SHARE_MAX * (clock_s[-1] - clock_s[0]))
    start_s = clock_s[0] + rng.random() * (clock_s[-1] - clock_s[0] - duration_s)
    first, end = np.searchsorted(clock_s, (start_s, start_s + duration_s)).tolist()
    end = min(max(end, first + EXCERPT_WINDOWS_MIN), len(clock_s))
    return slice(max(0, min(first, end - EXCERPT_WINDOWS_MIN)), end)


def _partly_wet(
    rng: np.random.Generator, sampler: WindowSampler, windows: Floats, newest: list[int], kinds: tuple[str, ...]
) -> Floats:
    """Return coarse windows [N, 20, 10, 10] with one fault on the lens in some consecutive ones."""
    count = max(1, round(rng.uniform(1 / 8, 1 / 3) * len(newest)))
    first = int(rng.integers(len(newest) - count + 1))
    fault = random_fault(rng, kinds[rng.integers(len(kinds))])
    wet = slice(first, first + count)
    windows = windows.copy()
    windows[wet] = [_coarse(sampler.recorded(number, fault)) for number in newest[wet]]
    return windows


def _coarse(feature_maps: Floats) -> Floats:
    """Average feature maps [20, 40, 40] to the grid of a reference, [20, 10, 10]."""
    block = FEATURE_SIDE // REFERENCE_SIDE
    return feature_maps.reshape(-1, REFERENCE_SIDE, block, REFERENCE_SIDE, block).mean((2, 4))


def _motion(feature_maps: Floats) -> float:
    """Compute the mean standard deviation over the fast time constant, in grey levels 0…1."""
    return float((np.exp((feature_maps[FAST_STD] - 1) / LOG_SCALE) - FLOOR).mean())
