"""References to show windows beside in training: of other parts of the same car's drives, as a calibration makes them.

On the car the reference is that of another drive than the frames. A network that only ever saw its windows beside a
reference they belong to would call a drop what the calibration has not passed; one that saw those of other cars would
learn to look away from them. Some are those of a drive that was partly wet, as an unlabelled one may be. And some cars
have a fixture: something that has always been there, a bumper in view, a sticker, a scratch, and is no fault.
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

WINDOWS_PER_CAR = 300  # windows as recorded, spread over the drives of a car
PARTS = 24  # of the drives, whose references are shown
DURATION_S = (15.0, 150.0)  # a part
SHARE_MAX = 0.45  # of the drives, so that most windows lie outside of any part
WINDOWS_MIN = 16  # of a part: fewer make no quantiles
WET_SHARE = 0.2  # of the references are those of a part that was wet for an eighth to a third
FIXTURES = 4  # of a car: faults that its reference shows
FIXTURE_WINDOWS = 24  # of a part, with the fixture in view
CHANGE = 1  # number of the picture that shows the change within the short span

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class References:
    """Of one car, enlarged for the network."""

    enlarged: Floats  # [R, 2, 20, 40, 40]
    first: NDArray[np.intp]  # [R] number of the first frame of each part
    last: NDArray[np.intp]  # [R]
    fixtures: list[Fault]
    with_fixture: Floats  # [len(fixtures), 2, 20, 40, 40]

    def choose(self, rng: np.random.Generator, newest: int) -> Floats:
        """One [2, 20, 40, 40] of a part that does not hold this frame, of any where all do."""
        elsewhere = np.flatnonzero((newest < self.first) | (newest > self.last))
        return self.enlarged[rng.choice(elsewhere) if len(elsewhere) else rng.integers(len(self.first))]


def car_references(sampler: WindowSampler, cache: FrameCache, kinds: tuple[str, ...], seed: int) -> References:
    """References of parts of a car's drives, in the order of its frames."""
    rng = np.random.default_rng((seed, 3))
    newest = np.linspace(0, len(cache) - 1, min(WINDOWS_PER_CAR, len(cache))).astype(int)
    plain = [sampler.plain(number) for number in newest.tolist()]
    seen = np.stack([_coarse(feature_maps) for feature_maps in plain])  # [N, 20, 10, 10]
    moves = np.flatnonzero([_motion(feature_maps) >= STILL_MOTION for feature_maps in plain])
    if len(moves) >= WINDOWS_MIN:  # a calibration leaves out the frames of a car that stands
        newest, seen = newest[moves], seen[moves]
    parts = [_part(rng, cache.clock_s[newest]) for _ in range(PARTS)]
    made = []
    for part in parts:
        wet = rng.random() < WET_SHARE
        windows = _partly_wet(rng, sampler, seen[part], newest[part].tolist(), kinds) if wet else seen[part]
        made.append(make_reference(windows))
    fixtures = [random_fault(rng, kinds[rng.integers(len(kinds))]) for _ in range(FIXTURES)]
    shown = [_with_fixture(sampler, fixture, newest[parts[rng.integers(PARTS)]]) for fixture in fixtures]
    return References(
        enlarged=enlarge(np.stack(made)),
        first=np.array([newest[part.start] for part in parts]),
        last=np.array([newest[part.stop - 1] for part in parts]),
        fixtures=fixtures,
        with_fixture=enlarge(np.stack(shown)),
    )


def drive_reference(cache: FrameCache, seed: int) -> Reference:
    """The reference [2, 20, 10, 10] of whole drives, which stands in until there is a calibration."""
    sampler = WindowSampler(cache, (), seed)
    newest = np.linspace(0, len(cache) - 1, min(WINDOWS_PER_CAR, len(cache))).astype(int)
    return make_reference(np.stack([_coarse(sampler.plain(number)) for number in newest.tolist()]))


def _with_fixture(sampler: WindowSampler, fixture: Fault, newest: NDArray[np.intp]) -> Floats:
    """The reference [2, 20, 10, 10] of a part all of which was driven with the fixture in view."""
    few = newest[:: max(1, len(newest) // FIXTURE_WINDOWS)].tolist()
    return make_reference(np.stack([_coarse(sampler.plain(number, fixture)) for number in few]))


def _part(rng: np.random.Generator, clock_s: NDArray[np.float64]) -> slice:
    """The looks of a part."""
    duration_s = min(Draw(rng).scale(*DURATION_S), SHARE_MAX * (clock_s[-1] - clock_s[0]))
    start_s = clock_s[0] + rng.random() * (clock_s[-1] - clock_s[0] - duration_s)
    first, end = np.searchsorted(clock_s, (start_s, start_s + duration_s)).tolist()
    end = min(max(end, first + WINDOWS_MIN), len(clock_s))
    return slice(max(0, min(first, end - WINDOWS_MIN)), end)


def _partly_wet(
    rng: np.random.Generator, sampler: WindowSampler, windows: Floats, newest: list[int], kinds: tuple[str, ...]
) -> Floats:
    """The looks of a part with one fault on the lens for a while."""
    count = max(1, round(rng.uniform(1 / 8, 1 / 3) * len(newest)))
    first = int(rng.integers(len(newest) - count + 1))
    fault = random_fault(rng, kinds[rng.integers(len(kinds))])
    windows = windows.copy()
    windows[first : first + count] = [_coarse(sampler.plain(number, fault)) for number in newest[first : first + count]]
    return windows


def _coarse(feature_maps: Floats) -> Floats:
    """Pictures [20, 40, 40] on the grid of a reference, [20, 10, 10]."""
    block = FEATURE_SIDE // REFERENCE_SIDE
    return feature_maps.reshape(-1, REFERENCE_SIDE, block, REFERENCE_SIDE, block).mean((2, 4))


def _motion(feature_maps: Floats) -> float:
    """How much the picture changes within the short span, in grey levels of 1."""
    return float((np.exp((feature_maps[CHANGE] - 1) / LOG_SCALE) - FLOOR).mean())
