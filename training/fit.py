"""Trains the obscuration network on windows of one car's drives or of many cars'.

New windows are drawn all the time: each is shown a few times, beside another reference each time, and then gives its
place to a new one, so that none can be learnt by heart. Cars have equal shares, however long they drove.
"""

import math
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..edge.errors import InputError
from ..edge.graph import FEATURE_MAPS, FEATURE_SIDE, GRID_SIDE
from .cache import FrameCache
from .faults import KINDS
from .obscuration import ObscurationNet
from .references import References, car_references
from .settings import TrainSettings
from .windows import WindowSampler

BATCH = 32  # windows a step
LEARNING_RATE = 3e-3  # AdamW's highest, of a one-cycle schedule
WEIGHT_DECAY = 1e-3
WARM_UP = 0.1  # share of the steps until the highest learning rate
DATASET_SIZE = 2048  # windows between which a batch is drawn
AVERAGED_STEPS = 100  # time constant of the averaged weights, which are the result
MEASURED = 10  # times a training is measured
HELD_BACK = 240  # windows that are not trained on: the figures are taken on them
FIXTURE_SHARE = 0.08  # of the windows show a fixture, which their reference shows too
UNKNOWN_SHARE = 0.3  # of the windows are judged without their deviation from the clean drive
WORST_CELLS = 20  # places whose mean is trained to say whether there is any fault at all
WORST_WEIGHT = 0.1
VISIBLE_COVERAGE = 0.005  # less than this is no fault
LEVELS = 200.0  # of one unit of a picture, kept as bytes
NO_FIXTURE = -1

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PassMetrics:
    """One line of obscuration.jsonl, on windows that were held back."""

    epoch: int  # tenth of the training, from 1
    loss: float  # cross-entropy a place
    auc: float  # of a frame's worst places, faults against none
    seconds: float  # since the first window was rendered


class FitCallback(Protocol):
    """Who is told how it goes."""

    def rendered(self, done: int, total: int) -> None:
        """After the references of each car are made."""

    def fitted(self, done: int, total: int) -> None:
        """After each step, in windows shown."""

    def passed(self, metrics: PassMetrics) -> None:
        """After each tenth of the training."""


@dataclass(frozen=True)
class Batch:
    """A batch as the network sees it."""

    feature_maps: Tensor  # [B, 20, 40, 40]
    target: Tensor  # [B, 20, 20], 0…1
    deviation: Tensor  # [B, 20, 40, 40], 0 where the car is not known


class WindowStream:
    """Draws batches of ever new windows from the cars in equal shares. The same seed gives the same batches."""

    def __init__(
        self, cars: Sequence[FrameCache], kinds: tuple[str, ...], seed: int, progress: Callable[[int, int], None]
    ) -> None:
        """`progress` counts the cars whose references are made."""
        self._samplers: list[WindowSampler] = []
        self._references: list[References] = []
        for number, cache in enumerate(cars):
            sampler = WindowSampler(cache, kinds, seed * 1009 + number)
            self._samplers.append(sampler)
            self._references.append(car_references(sampler, cache, kinds, seed * 1009 + number))
            progress(number + 1, len(cars))
        self._rng = np.random.default_rng((seed, 4))
        self._feature_maps = np.empty((DATASET_SIZE, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE), np.uint8)
        self._target = np.empty((DATASET_SIZE, GRID_SIDE, GRID_SIDE), np.uint8)
        self._car, self._newest, self._fixture = (np.empty(DATASET_SIZE, int) for _ in range(3))
        self._rendered = 0  # windows, since the beginning
        self._filled = 0  # since the pool was empty

    def render(self, count: int) -> None:
        """Replace the oldest windows of the pool by new ones."""
        for _ in range(count):
            place, car = self._filled % DATASET_SIZE, self._rendered % len(self._samplers)
            fixtures = self._references[car].fixtures
            fixture = int(self._rng.integers(len(fixtures))) if self._rng.random() < FIXTURE_SHARE else NO_FIXTURE
            window = self._samplers[car].rendered(
                self._rendered // len(self._samplers), None if fixture == NO_FIXTURE else fixtures[fixture]
            )
            self._feature_maps[place] = np.rint(window.feature_maps * LEVELS).clip(0, 255)
            self._target[place] = np.rint(window.target * 255)
            self._car[place], self._newest[place], self._fixture[place] = car, window.newest, fixture
            self._rendered += 1
            self._filled += 1

    def held_back(self, batches: int) -> list[Batch]:
        """Batches of windows that no later batch holds."""
        self.render(batches * BATCH)
        held_back = [self.batch(BATCH) for _ in range(batches)]
        self._filled = 0
        return held_back

    def batch(self, count: int) -> Batch:
        """Windows of the pool, each beside a reference of its car or none, half of them mirrored."""
        rng = self._rng
        cells = rng.choice(min(self._filled, DATASET_SIZE), count, replace=False)
        feature_maps = torch.from_numpy(self._feature_maps[cells]).float() / LEVELS
        target = torch.from_numpy(self._target[cells]).float() / 255
        reference = torch.from_numpy(np.stack([self._reference(place) for place in cells.tolist()]))
        # A network that leans on the drive it knows would call every new wall a drop. A fixture has to be known.
        known = (rng.random(len(cells)) >= UNKNOWN_SHARE) | (self._fixture[cells] != NO_FIXTURE)
        deviation = ObscurationNet.deviation(feature_maps, reference) * torch.from_numpy(known).view(-1, 1, 1, 1)
        mirrored = torch.from_numpy(rng.random(len(cells)) < 0.5).view(-1, 1, 1, 1)
        return Batch(
            torch.where(mirrored, feature_maps.flip(-1), feature_maps),
            torch.where(mirrored[:, 0], target.flip(-1), target),
            torch.where(mirrored, deviation.flip(-1), deviation),
        )

    def _reference(self, place: int) -> Floats:
        references, fixture = self._references[self._car[place]], self._fixture[place]
        if fixture == NO_FIXTURE:
            return references.choose(self._rng, self._newest[place])
        return references.with_fixture[fixture]


class Fit:
    """A training under way. `averaged` is its result: single steps scatter, their mean does not."""

    def __init__(self, net: ObscurationNet, stream: WindowStream, windows: int, shown: int) -> None:
        """`windows` are rendered in all, each shown about `shown` times."""
        self.net, self.stream = net, stream
        self.averaged = deepcopy(net).eval()
        self.steps = max(1, windows * shown // BATCH)
        self._windows, self._rendered, self._done = windows, 0, 0
        self._device = next(net.parameters()).device
        self._optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self._cycle = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, LEARNING_RATE, total_steps=self.steps + 1, pct_start=WARM_UP
        )

    def step(self) -> float:
        """Render what is due, train on a batch, and return its loss. Raises InputError when that is not finite."""
        due = max(BATCH, round(self._windows * (self._done + 1) / self.steps))
        self.stream.render(due - self._rendered)
        self._rendered = due
        batch = self.stream.batch(BATCH)
        self.net.train()
        logits = self.net.forward_head(batch.feature_maps.to(self._device), batch.deviation.to(self._device))
        loss = _loss(logits, batch.target.to(self._device))
        if not math.isfinite(loss.item()):
            raise InputError("the obscuration network's loss is no longer finite; give another --seed")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self._cycle.step()
        self._done += 1
        _average(self.averaged, self.net, max(1 / self._done, 1 / AVERAGED_STEPS))
        return loss.item()


def fit_obscuration(
    cars: Sequence[FrameCache], settings: TrainSettings, device: str, callback: FitCallback
) -> tuple[ObscurationNet, list[PassMetrics]]:
    """The network trained on the drives of these cars, and how it went. With `windows` 0 it answers 0 everywhere.

    No label is needed: the faults are rendered, and their masks are the target. Raises InputError when the loss is no
    longer finite.
    """
    started_s = time.perf_counter()
    torch.manual_seed(settings.seed)
    net = ObscurationNet(settings.width).to(torch.device(device))
    if not settings.windows:
        net.zero_init_head()
        return net.eval(), []
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    kinds = tuple(kind for kind in KINDS if kind != settings.held_out)
    stream = WindowStream(cars, kinds, settings.seed, callback.rendered)
    held_back = stream.held_back(HELD_BACK // BATCH)
    fit = Fit(net, stream, settings.windows, settings.passes)
    metrics: list[PassMetrics] = []
    for step in range(1, fit.steps + 1):
        fit.step()
        callback.fitted(step * BATCH, fit.steps * BATCH)
        if step * MEASURED // fit.steps > len(metrics):
            metrics.append(_measure(fit.averaged, held_back, len(metrics) + 1, started_s))
            callback.passed(metrics[-1])
    return fit.averaged, metrics


def _loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of every place, and of the frame by its worst places."""
    faulty = (target.flatten(1).mean(1) > VISIBLE_COVERAGE).float()
    whole = F.binary_cross_entropy_with_logits(_worst(logits), faulty)
    return F.binary_cross_entropy_with_logits(logits, target) + WORST_WEIGHT * whole


def _worst(logits: Tensor) -> Tensor:
    return logits.flatten(1).topk(WORST_CELLS).values.mean(1)


@torch.no_grad()
def _average(averaged: nn.Module, net: nn.Module, share: float) -> None:
    """Move the averaged weights and statistics this share of the way to the net's."""
    for mean, value in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, share)
        else:
            mean.copy_(value)


@torch.no_grad()
def _measure(net: ObscurationNet, held_back: Sequence[Batch], epoch: int, started_s: float) -> PassMetrics:
    device = next(net.parameters()).device
    logits = torch.cat(
        [net.forward_head(batch.feature_maps.to(device), batch.deviation.to(device)).cpu() for batch in held_back]
    )
    target = torch.cat([batch.target for batch in held_back])
    scores, faulty = _worst(logits), target.flatten(1).mean(1) > VISIBLE_COVERAGE
    above = (scores[faulty].unsqueeze(1) > scores[~faulty].unsqueeze(0)).float().mean()
    loss = F.binary_cross_entropy_with_logits(logits, target)
    return PassMetrics(epoch, round(float(loss), 6), round(float(above), 4), round(time.perf_counter() - started_s, 1))
