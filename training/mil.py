"""Training of the objective `mil`: on whole drives that are tagged wet or dry, without a label for any frame."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ..edge.errors import InputError
from ..edge.tubs.tub import Tub
from .batches import backward
from .cache import FrameCache, build_caches, require_live
from .image_sizes import leave_out_other_sizes
from .metrics import EpochCallback, Stopwatch, metrics_without_latent
from .objectives.mil import MilHead, mil_loss, share_pooled
from .run import RunFolder
from .schedule import EntropySchedule
from .segments import KINDS, TILES, segment_features
from .settings import TrainSettings
from .train import CACHE_FOLDER, TrainingCallback

STEPS = 20  # of an epoch, each on all segments of all drives: they are few


def train_tagged(
    wet: Sequence[Tub], dry: Sequence[Tub], settings: TrainSettings, folder: Path, callback: TrainingCallback
) -> None:
    """Decode the drives, once for all runs beside `folder`, and train or go on training a head on them.

    Raises InputError where the folder holds another run, for a drive without a usable second, and for one whose images
    are all of another size than most.
    """
    run, tubs = RunFolder(folder), [*wet, *dry]
    run.require_same(settings)
    leave_out_other_sizes(tubs)
    for tub in tubs:
        if not tub.records:  # without it, the next drive would have its tag
            raise InputError(f"no image of {tub.folder} fits: {tub.skipped[-1].reason}; leave out this drive")
    cache, drives = build_caches(tubs, folder.parent / CACHE_FOLDER, callback.decoded)
    for drive in drives:
        require_live(drive)
    tagged = [f"{tag} {tub.folder}" for tag, given in (("wet", wet), ("dry", dry)) for tub in given]
    if run.facts_file.exists() and run.facts()["tubs"] != tagged:
        raise InputError(f"{folder} is another run (other drives or tags); give a new --out")
    run.start(settings, cache, tagged)
    train_head(drives[: len(wet)], drives[len(wet) :], run, settings, callback)


def train_head(
    wet: Sequence[FrameCache],
    dry: Sequence[FrameCache],
    run: RunFolder,
    settings: TrainSettings,
    callback: EpochCallback,
) -> MilHead:
    """Train a head on bags, one for each drive, or go on where an earlier call was interrupted; write its weights."""
    bags = [torch.from_numpy(segment_features(cache)[0]) for cache in (*wet, *dry)]  # [S, 48] each
    if empty := [number for number, bag in enumerate(bags) if not len(bag)]:
        raise InputError(f"drive {empty[0] + 1} has no second with enough frames; give a longer one")
    torch.manual_seed(settings.seed)
    head = MilHead(KINDS, TILES**2)
    of_dry = torch.cat(bags[len(wet) :])
    head.centre.copy_(of_dry.median(0).values)
    head.scale.copy_(of_dry.std(0).clamp_min(1e-3) if len(of_dry) > 1 else torch.ones_like(head.scale))
    optimizer, schedule = torch.optim.Adam(head.parameters(), lr=settings.learning_rate), EntropySchedule(settings)
    for epoch in range(run.resume(head, optimizer, schedule) + 1, settings.epochs + 1):
        stopwatch = Stopwatch()
        for step in range(STEPS):
            scores = [head(bag) for bag in bags]
            share = share_pooled((epoch - 1 + step / STEPS) / settings.epochs)
            loss = mil_loss(scores[: len(wet)], scores[len(wet) :], share)
            backward(loss, optimizer, epoch, step + 1)
            optimizer.step()
            callback.batch(epoch, step + 1, STEPS)
        metrics = metrics_without_latent(epoch, loss.item(), STEPS * sum(map(len, bags)), stopwatch.read())
        run.save_epoch(head, optimizer, schedule, metrics)
        callback.epoch(metrics)
    run.finish(head)
    return head
