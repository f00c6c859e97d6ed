"""Trains the obscuration network: windows of the drive are rendered once, then passed over a few times."""

import math
import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..edge.errors import InputError
from ..edge.graph import FEATURE_MAPS, FEATURE_SIDE, GRID_SIDE
from ..edge.reference import enlarge, make_reference
from .cache import FrameCache
from .faults import KINDS
from .obscuration import ObscurationNet, coarse_maps
from .settings import TrainSettings
from .windows import WindowSampler

BATCH = 48  # windows a step
LEARNING_RATE = 2e-3  # AdamW's highest, of a one-cycle schedule
WEIGHT_DECAY = 1e-3
REFERENCE_WINDOWS = 1152  # as recorded, for the reference that stands in for a calibration
PARTS, PART_SHARE = 24, (0.08, 0.4)  # of the drives, whose references are shown in training too; how long they are
HELD_BACK = 480  # windows that are not trained on: the figures of each pass are taken on them
UNKNOWN_SHARE = 0.15  # of the windows are judged without their deviation from the clean drive
WORST = 20  # places whose mean is trained to say whether there is any fault at all
WORST_WEIGHT = 0.1
VISIBLE_COVERAGE = 0.005  # less than this is no fault
LEVELS = 200.0  # of one unit of a picture: kept as bytes, 16,384 windows take 540 MB


@dataclass(frozen=True)
class PassMetrics:
    """One line of obscuration.jsonl, on windows that were held back."""

    epoch: int  # from 1
    loss: float  # cross-entropy a place
    auc: float  # of a frame's worst places, faults against none
    seconds: float  # since the first window was rendered


class FitCallback(Protocol):
    """Who is told how it goes."""

    def rendered(self, done: int, total: int) -> None:
        """After each batch of windows."""

    def fitted(self, done: int, total: int) -> None:
        """After each step, in windows over all passes."""

    def passed(self, metrics: PassMetrics) -> None:
        """After each pass."""


@dataclass(frozen=True)
class WindowDataset:
    """Rendered windows as bytes."""

    feature_maps: Tensor  # uint8 [N, 20, 40, 40]
    target: Tensor  # uint8 [N, 20, 20]

    def take(self, numbers: Tensor, device: str) -> tuple[Tensor, Tensor]:
        """Pictures and targets of these windows, float32."""
        return self.feature_maps[numbers].to(device).float() / LEVELS, self.target[numbers].to(device).float() / 255


def fit_obscuration(
    cache: FrameCache, settings: TrainSettings, device: str, callback: FitCallback
) -> tuple[ObscurationNet, Tensor, list[PassMetrics]]:
    """The trained network, the reference [2, 20, 10, 10] of the drives it saw, and how it went.

    No label is needed: the faults are rendered, and their masks are the target. With `windows` 0 it stays untrained.
    Raises InputError when the loss is no longer finite.
    """
    started_s = time.perf_counter()
    torch.manual_seed(settings.seed)
    net = ObscurationNet(settings.width).to(torch.device(device))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    sampler = WindowSampler(cache, tuple(kind for kind in KINDS if kind != settings.held_out), settings.seed)
    seen = _as_recorded(sampler, len(cache))
    reference = torch.from_numpy(make_reference(seen))
    if not settings.windows:
        net.zero_init_head()
        return net.eval(), reference, []
    pool = _render(sampler, settings.windows + HELD_BACK, callback)
    order = torch.Generator().manual_seed(settings.seed)
    steps = max(1, settings.windows // BATCH)  # a last batch that is short is left out, unless it is the only one
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps * settings.passes + 1, pct_start=0.15
    )
    shown = _references(seen, settings.seed).to(device)
    metrics = []
    for epoch in range(1, settings.passes + 1):
        net.train()
        numbers = HELD_BACK + torch.randperm(settings.windows, generator=order)
        for step, some in enumerate(numbers[: steps * BATCH].split(BATCH), start=1):
            references = shown[torch.randint(len(shown), (len(some),), generator=order).to(device)]
            loss = _loss(net, *_flipped(*pool.take(some, device), references, order), order)
            if not math.isfinite(loss.item()):
                raise InputError("the obscuration network's loss is no longer finite; give another --seed")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            cycle.step()
            callback.fitted(((epoch - 1) * steps + step) * BATCH, settings.passes * steps * BATCH)
        metrics.append(_measure(net, pool, shown[:1], epoch, started_s))
        callback.passed(metrics[-1])
    return net.eval(), reference, metrics


def _as_recorded(sampler: WindowSampler, frames: int) -> NDArray[np.float32]:
    """Coarse pictures [1152, 20, 10, 10] of windows as they were recorded, spread over the drives in their order."""
    newest = np.linspace(0, frames - 1, REFERENCE_WINDOWS).astype(int)
    parts = np.split(newest, REFERENCE_WINDOWS // BATCH)
    return torch.cat([coarse_maps(sampler.plain(part)) for part in parts]).numpy()


def _references(seen: NDArray[np.float32], seed: int) -> Tensor:
    """Enlarged references [25, 2, 20, 40, 40] of the drives, then of parts of them, from coarse pictures in order.

    On the car the reference is that of another drive than the frames. A network that only ever saw its windows beside
    a reference they belong to would call a drop what the calibration has not passed.
    """
    rng = np.random.default_rng((seed, 2))
    references = [make_reference(seen)]
    for share in rng.uniform(*PART_SHARE, PARTS).tolist():
        length = round(share * len(seen))
        start = rng.integers(0, len(seen) - length + 1)
        references.append(make_reference(seen[start : start + length]))
    return torch.from_numpy(enlarge(np.stack(references)))


def _render(sampler: WindowSampler, count: int, callback: FitCallback) -> WindowDataset:
    pool = WindowDataset(
        torch.empty(count, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE, dtype=torch.uint8),
        torch.empty(count, GRID_SIDE, GRID_SIDE, dtype=torch.uint8),
    )
    for start in range(0, count, BATCH):
        batch = sampler.rendered(min(BATCH, count - start))
        where = slice(start, start + len(batch.target))
        pool.feature_maps[where] = (batch.feature_maps * LEVELS).round().clamp(0, 255).byte()
        pool.target[where] = (batch.target * 255).round().byte()
        callback.rendered(where.stop, count)
    return pool


def _flipped(
    seen: Tensor, target: Tensor, reference: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Half of the windows mirrored left to right, with their reference."""
    mirror = (torch.rand(len(seen), generator=generator) < 0.5).to(seen.device)
    return (
        torch.where(mirror.view(-1, 1, 1, 1), seen.flip(-1), seen),
        torch.where(mirror.view(-1, 1, 1), target.flip(-1), target),
        torch.where(mirror.view(-1, 1, 1, 1, 1), reference.flip(-1), reference),
    )


def _loss(net: ObscurationNet, seen: Tensor, target: Tensor, reference: Tensor, generator: torch.Generator) -> Tensor:
    """Cross-entropy of every place, and of the frame by its worst places."""
    # A network that leans on the drive it knows would call every new wall a drop.
    known = (torch.rand(len(seen), generator=generator) >= UNKNOWN_SHARE).to(seen.device)
    logits = net.forward_head(seen, net.deviation(seen, reference) * known.view(-1, 1, 1, 1))
    faulty = (target.flatten(1).mean(1) > VISIBLE_COVERAGE).float()
    whole = F.binary_cross_entropy_with_logits(_worst(logits), faulty)
    return F.binary_cross_entropy_with_logits(logits, target) + WORST_WEIGHT * whole


def _worst(logits: Tensor) -> Tensor:
    return logits.flatten(1).topk(WORST).values.mean(1)


@torch.no_grad()
def _measure(net: ObscurationNet, pool: WindowDataset, reference: Tensor, epoch: int, started_s: float) -> PassMetrics:
    net.eval()
    parts = [pool.take(some, str(reference.device)) for some in torch.arange(HELD_BACK).split(BATCH)]
    logits = torch.cat([net(seen, reference) for seen, _ in parts])
    target = torch.cat([target for _, target in parts])
    scores, faulty = _worst(logits), target.flatten(1).mean(1) > VISIBLE_COVERAGE
    above = (scores[faulty].unsqueeze(1) > scores[~faulty].unsqueeze(0)).float().mean()
    loss = F.binary_cross_entropy_with_logits(logits, target)
    return PassMetrics(epoch, round(float(loss), 6), round(float(above), 4), round(time.perf_counter() - started_s, 1))
