"""Trains both networks of a bundle on drives: the autoencoder epoch by epoch, then the obscuration network."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..edge.errors import InputError
from ..edge.frame import SIZE
from ..edge.reference import Reference, unknown_reference
from ..edge.tubs.tub import Tub
from .batches import take_clips, to_batch
from .cache import FrameCache, build_cache, build_caches, require_live
from .clip_loop import train_on_clips
from .epoch import as_measured, train_epoch
from .fit import FitCallback, fit_obscuration
from .image_sizes import leave_out_other_sizes
from .metrics import EpochCallback, EpochMetrics, Stopwatch
from .model import Autoencoder
from .networks import make_network
from .objectives.clip_method import ClipMethod
from .objectives.mle import effective_neighbours, pearson
from .objectives.names import ON_CLIPS
from .parallel import Processes
from .references import drive_reference
from .run import RunFolder
from .schedule import EntropySchedule, latent_health, reconstruction_gain
from .settings import TrainSettings

CACHE_FOLDER = ".frames"  # beside the runs
ALONE = Processes()
PROBE_FRAMES = 512  # spread over the drives; the epoch's PCC and latent figures are taken on them


class TrainingCallback(EpochCallback, FitCallback, Protocol):
    """Who is told how the training goes."""

    def decoded(self, done: int, total: int) -> None:
        """After each thousand frames that are read for the first time."""


def train_tubs(
    tubs: Sequence[Tub],
    settings: TrainSettings,
    folder: Path,
    device: str,
    callback: TrainingCallback,
    processes: Processes = ALONE,
) -> FrameCache:
    """Decode the tubs, once for all runs beside `folder`, train both networks on them, and return what was read.

    With `settings.many_cars` each tub counts as a car of its own: the obscuration network sees each equally often, and
    never beside the reference of another. Several processes share the autoencoder; the first one alone trains the
    obscuration network, which takes minutes.
    """
    run, shards = RunFolder(folder), folder.parent / CACHE_FOLDER
    run.require_same(settings)
    with run.locked() if processes.first else nullcontext():
        with processes.rank_zero_first():
            tubs = leave_out_other_sizes(tubs)
            if settings.many_cars:  # now, though used last: a car that drove too little is refused before hours of it
                cache, cars = build_caches(tubs, shards, callback.decoded)
            else:
                cache = build_cache(tubs, shards, callback.decoded)
                cars = [cache]
            for car in cars:
                require_live(car)
            run.start(settings, cache, [str(tub.folder) for tub in tubs])
        train(cache, settings, folder, device, callback, processes)
        if settings.objective in ON_CLIPS and settings.objective != "gcl":
            return cache  # no car can run its network: it needs no second one
        if processes.first and not run.obscuration_file.exists():
            net, passes = fit_obscuration(cars, settings, device, callback)
            run.finish_obscuration(net, torch.from_numpy(_reference(cache, settings)), passes)
    return cache


def train(
    cache: FrameCache,
    settings: TrainSettings,
    folder: Path,
    device: str,
    callback: TrainingCallback,
    processes: Processes = ALONE,
) -> None:
    """Train, or go on where an earlier call was interrupted. The last epoch is the result, as in the paper.

    Nothing is selected by labels: there are none. Raises InputError for a loss that is no longer finite.
    """
    processes.require_even(settings.batch_size)
    run = RunFolder(folder)
    model = make_network(settings)
    processes.join_statistics(model)
    model.to(torch.device(device))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on a CPU
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    schedule = EntropySchedule(settings)
    with processes.rank_zero_first():
        epochs_done = run.resume(model, optimizer, schedule)
    step = max(1, len(cache) // PROBE_FRAMES)
    probe_numbers = np.arange(0, len(cache), step)[:PROBE_FRAMES]
    probe = to_batch(cache.take(probe_numbers), device)
    mean_frame_pcc = _mean_frame_pcc(probe, cache)
    if isinstance(model, ClipMethod):
        if processes.count > 1:
            raise InputError(f"the objective {settings.objective} trains in one process; type it without torchrun")
        probe_clips = take_clips(cache, probe_numbers, model.frames, device)
        train_on_clips(model, optimizer, schedule, cache, probe_clips, mean_frame_pcc, epochs_done, run, callback)
        return
    for epoch in range(epochs_done + 1, settings.epochs + 1):
        if schedule.ends_early:
            break
        metrics = _epoch(model, optimizer, schedule, cache, probe, mean_frame_pcc, epoch, callback, processes)
        if processes.first:
            run.save_epoch(model, optimizer, schedule, metrics)
            callback.epoch(metrics)
    if processes.first:
        run.finish(model)


def _epoch(
    model: Autoencoder,
    optimizer: torch.optim.Adam,
    schedule: EntropySchedule,
    cache: FrameCache,
    probe: Tensor,
    mean_frame_pcc: float,
    epoch: int,
    callback: EpochCallback,
    processes: Processes,
) -> EpochMetrics:
    """Train for one epoch, measure it on the probe frames, and tell the schedule how it went."""
    settings, stopwatch = schedule.settings, Stopwatch()
    error, entropy = train_epoch(model, optimizer, schedule, cache, epoch, callback, processes)
    seconds, cpu_s = stopwatch.read()
    mean_pcc, latent = _probe(model, probe)
    measured = as_measured(latent, settings)
    if not (math.isfinite(mean_pcc) and latent.isfinite().all()):  # the last step, which no loss follows
        raise InputError(f"the model is no longer finite after epoch {epoch}; lower --lr")
    entropy_share = entropy / math.log(min(settings.batch_size, len(cache)))
    gain = reconstruction_gain(mean_pcc, mean_frame_pcc)
    by_entropy = settings.objective == "mle"  # another term does not die with the entropy
    metrics = EpochMetrics(
        epoch=epoch,
        squared_error=error,
        entropy=entropy,
        entropy_share=entropy_share,
        entropy_weight=schedule.entropy_weight,
        sigma=schedule.sigma,
        latent_std=float(latent.std(0).mean()),
        effective_neighbours=effective_neighbours(measured, schedule.sigma),
        mean_pcc=mean_pcc,
        mean_frame_pcc=mean_frame_pcc,
        latent=latent_health(schedule.entropy_weight if by_entropy else 0.0, entropy_share, gain),
        frames_per_s=len(cache) / seconds,
        seconds=seconds,
        cpu_s=cpu_s,
    )
    schedule.finish_epoch(gain, _spread(measured))
    return metrics


def pick_device(name: str) -> str:
    """`auto` is the first GPU if there is one. Raises InputError for a device this machine has not."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise InputError(f"device is {name!r}; this machine has cpu{', cuda' if torch.cuda.is_available() else ''}")
    return name


def _reference(cache: FrameCache, settings: TrainSettings) -> Reference:
    """Make the reference of the bundle, which is used until there is a calibration."""
    return unknown_reference() if settings.many_cars else drive_reference(cache, settings.seed)


@torch.no_grad()
def _probe(model: Autoencoder, probe: Tensor) -> tuple[float, Tensor]:
    """The mean PCC of the probe frames, and their latents [P, latent]."""
    model.eval()
    latent = model.encode(probe)
    return float(pearson(probe, model.decode(latent)).mean()), latent


def _mean_frame_pcc(probe: Tensor, cache: FrameCache) -> float:
    """What a model reaches that answers every frame with the mean of all."""
    numbers = np.arange(len(cache))
    total = np.zeros((SIZE, SIZE), np.float64)
    for start in range(0, len(cache), 4096):  # in pieces: the frames may be more than the memory
        total += cache.take(numbers[start : start + 4096]).sum(0, dtype=np.float64)
    mean = torch.from_numpy((total / len(cache) / 255).astype(np.float32)).to(probe.device)
    return float(pearson(probe, mean.expand_as(probe)).mean())


def _spread(latent: Tensor) -> float:
    """√(median ‖z_i − z_j‖² / 2)."""
    return math.sqrt(float(torch.pdist(latent).square().median()) / 2)
