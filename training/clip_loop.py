"""The training loop of the methods with a network of their own: the epochs, metrics and files of the autoencoder's."""

import math

import numpy as np
import torch
from torch import Tensor

from ..edge.errors import InputError
from .cache import FrameCache
from .clips import take_clips
from .metrics import EpochCallback, Stopwatch, metrics_without_latent
from .objectives.clip_method import ClipMethod
from .objectives.mle import pearson
from .run import RunFolder
from .schedule import EntropySchedule
from .settings import TrainSettings


def train_on_clips(
    model: ClipMethod,
    optimizer: torch.optim.Adam,
    schedule: EntropySchedule,
    cache: FrameCache,
    probe: Tensor,
    mean_frame_pcc: float,
    epochs_done: int,
    run: RunFolder,
    callback: EpochCallback,
) -> None:
    """Train from the epoch after `epochs_done` on and write the weights. `probe` [P, T, 80, 80] are for the PCC.

    The metrics are those of the autoencoder, without figures of a latent. Raises InputError for a loss that is no
    longer finite.
    """
    settings = schedule.settings
    for epoch in range(epochs_done + 1, settings.epochs + 1):
        stopwatch = Stopwatch()
        loss = _train_epoch(model, optimizer, cache, settings, epoch, callback)
        taken = stopwatch.read()
        model.eval()
        with torch.no_grad():
            mean_pcc = float(pearson(probe[:, -1:], model.expected(probe)).mean())
        metrics = metrics_without_latent(epoch, loss, len(cache), taken, mean_pcc, mean_frame_pcc)
        run.save_epoch(model, optimizer, schedule, metrics)
        callback.epoch(metrics)
    run.finish(model)


def _train_epoch(
    model: ClipMethod,
    optimizer: torch.optim.Adam,
    cache: FrameCache,
    settings: TrainSettings,
    epoch: int,
    callback: EpochCallback,
) -> float:
    """Train one epoch and return the mean loss. Order and draws follow from seed and epoch.

    Raises InputError for a loss that is no longer finite.
    """
    device = str(next(model.parameters()).device)
    order = np.random.default_rng((settings.seed, epoch)).permutation(len(cache))
    generator = torch.Generator().manual_seed(settings.seed * 100_003 + epoch)
    total = 0.0
    model.train()
    for start in range(0, len(order), settings.batch_size):
        numbers = np.sort(order[start : start + settings.batch_size])
        progress = (epoch - 1 + start / len(order)) / settings.epochs
        loss = model.loss(take_clips(cache, numbers, model.frames, device), progress, generator)
        if not math.isfinite(loss.item()):
            raise InputError(f"the loss became {loss.item()} in epoch {epoch}; lower --lr")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(numbers)
        callback.batch(epoch, start + len(numbers), len(cache))
    return total / len(order)
