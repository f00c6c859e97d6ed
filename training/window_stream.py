"""A stream of training batches whose windows are rendered while the training runs.

A window is shown a few times, beside a different reference each time, and is then replaced by a new one, so that none
can be memorised. Every car contributes equally many windows, however long it drove.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..edge.graph import FEATURE_MAPS, FEATURE_SIDE, GRID_SIDE
from .cache import FrameCache
from .obscuration import ObscurationNet
from .references import References, car_references
from .windows import WindowSampler

BATCH_SIZE = 32  # windows
BUFFER_SIZE = 2048  # windows from which a batch is drawn
FIXTURE_PROBABILITY = 0.08  # that a window and its reference have a fixture
NO_REFERENCE_PROBABILITY = 0.3  # that a window without a fixture is shown without its deviation from a reference
FEATURE_LEVELS = 200.0  # feature maps are stored as bytes, a unit as this many levels
NO_FIXTURE = -1

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs and targets of the network for B windows."""

    feature_maps: Tensor  # [B, 20, 40, 40]
    target: Tensor  # [B, 20, 20], 0…1
    deviation: Tensor  # [B, 20, 40, 40], 0 where there is no reference


class WindowStream:
    """Renders windows of the cars in turn into a buffer and draws batches from it.

    The same seed gives the same batches.
    """

    def __init__(
        self, cars: Sequence[FrameCache], kinds: tuple[str, ...], seed: int, progress: Callable[[int, int], None]
    ) -> None:
        """Make the references of all cars. `progress` receives the number of cars done and of all cars."""
        self._samplers: list[WindowSampler] = []
        self._references: list[References] = []
        for number, cache in enumerate(cars):
            sampler = WindowSampler(cache, kinds, seed * 1009 + number)
            self._samplers.append(sampler)
            self._references.append(car_references(sampler, cache, kinds, seed * 1009 + number))
            progress(number + 1, len(cars))
        self._rng = np.random.default_rng((seed, 4))
        self._feature_maps = np.empty((BUFFER_SIZE, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE), np.uint8)
        self._target = np.empty((BUFFER_SIZE, GRID_SIDE, GRID_SIDE), np.uint8)
        self._car, self._newest, self._fixture = (np.empty(BUFFER_SIZE, int) for _ in range(3))
        self._rendered = 0  # windows in all
        self._buffered = 0  # windows since the buffer was last emptied

    def render(self, count: int) -> None:
        """Render new windows, which replace the oldest ones once the buffer is full."""
        for _ in range(count):
            slot, car = self._buffered % BUFFER_SIZE, self._rendered % len(self._samplers)
            fixtures = self._references[car].fixtures
            fixture = int(self._rng.integers(len(fixtures))) if self._rng.random() < FIXTURE_PROBABILITY else NO_FIXTURE
            window = self._samplers[car].render(
                self._rendered // len(self._samplers), None if fixture == NO_FIXTURE else fixtures[fixture]
            )
            self._feature_maps[slot] = np.rint(window.feature_maps * FEATURE_LEVELS).clip(0, 255)
            self._target[slot] = np.rint(window.target * 255)
            self._car[slot], self._newest[slot], self._fixture[slot] = car, window.newest, fixture
            self._rendered += 1
            self._buffered += 1

    def held_back(self, batches: int) -> list[Batch]:
        """Render batches of windows that no later batch contains."""
        self.render(batches * BATCH_SIZE)
        held_back = [self.batch(BATCH_SIZE) for _ in range(batches)]
        self._buffered = 0
        return held_back

    def batch(self, count: int) -> Batch:
        """Draw windows from the buffer, each with a reference of its car or without one, half of them mirrored."""
        rng = self._rng
        slots = rng.choice(min(self._buffered, BUFFER_SIZE), count, replace=False)
        feature_maps = torch.from_numpy(self._feature_maps[slots]).float() / FEATURE_LEVELS
        target = torch.from_numpy(self._target[slots]).float() / 255
        reference = torch.from_numpy(np.stack([self._reference(slot) for slot in slots.tolist()]))
        # Some windows have no reference: a network that relies on it would report every new wall as a drop. Windows
        # with a fixture always have one, because nothing else distinguishes a fixture from a fault.
        has_reference = (rng.random(count) >= NO_REFERENCE_PROBABILITY) | (self._fixture[slots] != NO_FIXTURE)
        deviation = ObscurationNet.deviation(feature_maps, reference)
        deviation = deviation * torch.from_numpy(has_reference).view(-1, 1, 1, 1)
        mirrored = torch.from_numpy(rng.random(count) < 0.5).view(-1, 1, 1, 1)
        return Batch(
            torch.where(mirrored, feature_maps.flip(-1), feature_maps),
            torch.where(mirrored[:, 0], target.flip(-1), target),
            torch.where(mirrored, deviation.flip(-1), deviation),
        )

    def _reference(self, slot: int) -> Floats:
        """Choose a reference [2, 20, 40, 40] for the window in this slot, with its fixture if it has one."""
        references, fixture = self._references[self._car[slot]], self._fixture[slot]
        if fixture == NO_FIXTURE:
            return references.choose(self._rng, self._newest[slot])
        return references.with_fixture[fixture]
