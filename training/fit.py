"""Training of the obscuration network on windows of the drives of one car or of many."""

import math
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..edge.errors import InputError
from .base_network import load_base
from .cache import FrameCache
from .faults import KINDS
from .obscuration import ObscurationNet
from .settings import TrainSettings
from .window_stream import BATCH_SIZE, Batch, WindowStream

LEARNING_RATE = 3e-3  # of AdamW, the highest of a one-cycle schedule
CONTINUED_LEARNING_RATE = 1e-3  # the same, for a network that is trained already
WEIGHT_DECAY = 1e-3
WARM_UP = 0.1  # share of the steps until the highest learning rate
AVERAGED_STEPS = 100  # time constant of the averaged weights, which are the result
EVALUATIONS = 10  # in a training
HELD_BACK = 240  # windows that are evaluated and not trained on
WORST_CELLS = 20  # whose mean logit is trained to say whether the frame has a fault
WORST_WEIGHT = 0.1  # of that loss beside the loss of the cells
VISIBLE_COVERAGE = 0.005  # a frame whose mean target is lower counts as clean


@dataclass(frozen=True)
class PassMetrics:
    """A line of obscuration.jsonl: metrics on windows that were held back."""

    epoch: int  # tenth of the training, from 1
    loss: float  # mean cross-entropy of the cells
    auc: float  # of the mean logit of a frame's worst cells, frames with faults against clean ones
    seconds: float  # since the start of the fit


class FitCallback(Protocol):
    """Receives the progress of a fit."""

    def rendered(self, done: int, total: int) -> None:
        """Receive the number of cars whose references are made, after each car."""

    def fitted(self, done: int, total: int) -> None:
        """Receive the number of windows rendered, after each step."""

    def passed(self, metrics: PassMetrics) -> None:
        """Receive the metrics after each tenth of the training."""


class Fit:
    """A training in progress. Its result is `averaged`, whose weights scatter less than those of single steps."""

    def __init__(
        self, net: ObscurationNet, stream: WindowStream, windows: int, passes: int, learning_rate: float = LEARNING_RATE
    ) -> None:
        """Prepare to train on `windows` windows, each shown about `passes` times."""
        self.net, self.stream = net, stream
        self.averaged = deepcopy(net).eval()
        self.steps = max(1, windows * passes // BATCH_SIZE)
        self._windows, self._rendered, self._done = windows, 0, 0
        self._device = next(net.parameters()).device
        self._optimizer = torch.optim.AdamW(net.parameters(), learning_rate, weight_decay=WEIGHT_DECAY)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, learning_rate, total_steps=self.steps + 1, pct_start=WARM_UP
        )

    def step(self) -> float:
        """Render the windows that are due, train on a batch and return its loss.

        Raises InputError when the loss is not finite.
        """
        due = max(BATCH_SIZE, round(self._windows * (self._done + 1) / self.steps))
        self.stream.render(due - self._rendered)
        self._rendered = due
        batch = self.stream.batch(BATCH_SIZE)
        self.net.train()
        logits = self.net.forward_head(batch.feature_maps.to(self._device), batch.deviation.to(self._device))
        loss = _loss(logits, batch.target.to(self._device))
        if not math.isfinite(loss.item()):
            raise InputError("the obscuration network's loss is no longer finite; give another --seed")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self._schedule.step()
        self._done += 1
        _update_average(self.averaged, self.net, max(1 / self._done, 1 / AVERAGED_STEPS))
        return loss.item()


def fit_obscuration(
    cars: Sequence[FrameCache],
    settings: TrainSettings,
    device: str,
    callback: FitCallback,
    start: ObscurationNet | None = None,
) -> tuple[ObscurationNet, list[PassMetrics]]:
    """Train the network on the drives of these cars; return it with its metrics.

    No labels are needed: the faults are rendered, and their masks are the target. The training continues from `start`
    or, with a `base` in the settings, from the base network. With 0 `windows` the network is the one it would continue
    from, or is untrained and all its logits are 0. Raises InputError when the loss is no longer finite.
    """
    started_s = time.perf_counter()
    torch.manual_seed(settings.seed)
    net = ObscurationNet(settings.width).to(torch.device(device))
    if start is not None:
        net.load_state_dict(start.state_dict())
    elif settings.base:
        net.load_state_dict(load_base())
    continued = bool(start or settings.base)
    if not settings.windows:
        if not continued:
            net.zero_init_head()
        return net.eval(), []
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    kinds = tuple(kind for kind in KINDS if kind != settings.held_out)
    stream = WindowStream(cars, kinds, settings.seed, callback.rendered)
    held_back = stream.held_back(HELD_BACK // BATCH_SIZE)
    learning_rate = CONTINUED_LEARNING_RATE if continued else LEARNING_RATE
    fit = Fit(net, stream, settings.windows, settings.passes, learning_rate)
    metrics: list[PassMetrics] = []
    for step in range(1, fit.steps + 1):
        fit.step()
        callback.fitted(round(settings.windows * step / fit.steps), settings.windows)
        if step * EVALUATIONS // fit.steps > len(metrics):
            metrics.append(_evaluate(fit.averaged, held_back, len(metrics) + 1, started_s))
            callback.passed(metrics[-1])
    return fit.averaged, metrics


def _loss(logits: Tensor, target: Tensor) -> Tensor:
    """Compute the cross-entropy of all cells, plus that of the frames by their worst cells."""
    faulty = _has_fault(target).float()
    frame_loss = F.binary_cross_entropy_with_logits(_worst(logits), faulty)
    return F.binary_cross_entropy_with_logits(logits, target) + WORST_WEIGHT * frame_loss


def _worst(logits: Tensor) -> Tensor:
    """Average the highest logits of each frame, [B, 20, 20] to [B]."""
    return logits.flatten(1).topk(WORST_CELLS).values.mean(1)


def _has_fault(target: Tensor) -> Tensor:
    """Return whether each frame has a visible fault, [B, 20, 20] to bool [B]."""
    return target.flatten(1).mean(1) > VISIBLE_COVERAGE


@torch.no_grad()
def _update_average(averaged: nn.Module, net: nn.Module, weight: float) -> None:
    """Move the averaged parameters and batch statistics towards those of the network."""
    for mean, value in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, weight)
        else:
            mean.copy_(value)


@torch.no_grad()
def _evaluate(net: ObscurationNet, held_back: Sequence[Batch], epoch: int, started_s: float) -> PassMetrics:
    device = next(net.parameters()).device
    logits = torch.cat(
        [net.forward_head(batch.feature_maps.to(device), batch.deviation.to(device)).cpu() for batch in held_back]
    )
    target = torch.cat([batch.target for batch in held_back])
    scores, faulty = _worst(logits), _has_fault(target)
    auc = (scores[faulty].unsqueeze(1) > scores[~faulty].unsqueeze(0)).float().mean()
    loss = F.binary_cross_entropy_with_logits(logits, target)
    return PassMetrics(epoch, round(float(loss), 6), round(float(auc), 4), round(time.perf_counter() - started_s, 1))
