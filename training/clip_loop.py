"""The training loop of the methods with a network of their own: the epochs, metrics and files of the autoencoder's."""

import torch
from torch import Tensor

from .batches import backward, epoch_batches, epoch_generator, take_clips
from .cache import FrameCache
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
    """Train one epoch and return the mean loss. Raises InputError for a loss that is no longer finite."""
    device, count, done, total = str(next(model.parameters()).device), len(cache), 0, 0.0
    generator = epoch_generator(settings, epoch)
    model.train()
    for number, numbers in enumerate(epoch_batches(count, settings, epoch), start=1):
        progress = (epoch - 1 + done / count) / settings.epochs
        loss = model.loss(take_clips(cache, numbers, model.frames, device), progress, generator)
        total += backward(loss, optimizer, epoch, number) * len(numbers)
        optimizer.step()
        done += len(numbers)
        callback.batch(epoch, done, count)
    return total / count
