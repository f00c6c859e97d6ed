"""Started by torchrun in test_parallel.py, once in each process: trains in float64 and leaves run folders.

train_in_parallel.py FRAMES.u8 FOLDER VARIANT...
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from mle_uvad.training.cache import FrameCache
from mle_uvad.training.metrics import EpochMetrics
from mle_uvad.training.parallel import Processes, joined
from mle_uvad.training.run import RunFolder
from mle_uvad.training.settings import PRESETS, TrainSettings
from mle_uvad.training.shards import FRAME_BYTES
from mle_uvad.training.train import train

# The first has one step, so that Adam's first moment is the gradient; the second what else there is.
STEP = replace(PRESETS["paper"], width="narrow", epochs=1, batch_size=64, windows=0, sigma=2.0, squared_error="mean")
EPOCHS = replace(PRESETS["robust"], width="narrow", epochs=3, batch_size=24, windows=0, squared_error="mean")


class DetachedGather(Processes):
    """The usual mistake: what comes from the others has no gradient, so theirs of our latents is lost."""

    def gather(self, shares: Tensor) -> Tensor:
        everyone = [torch.zeros_like(shares) for _ in range(self.count)]
        dist.all_gather(everyone, shares.detach().contiguous())
        everyone[self.number] = shares
        return torch.stack(everyone, 1).flatten(0, 1)


class OwnEntropy(Processes):
    """Each process has the entropy of its own share."""

    def gather(self, shares: Tensor) -> Tensor:
        return shares


class OwnStatistics(Processes):
    """Each process normalises by its own share, as DistributedDataParallel does."""

    def join_statistics(self, model: nn.Module) -> None:
        pass


VARIANTS: dict[str, tuple[type[Processes], TrainSettings]] = {
    "step": (Processes, STEP),
    "epochs": (Processes, EPOCHS),
    "detached": (DetachedGather, STEP),
    "own_entropy": (OwnEntropy, STEP),
    "own_statistics": (OwnStatistics, STEP),
}


class Silent:
    """Hears everything and says nothing."""

    def decoded(self, done: int, total: int) -> None: ...
    def batch(self, epoch: int, frames_done: int, frames_total: int) -> None: ...
    def epoch(self, metrics: EpochMetrics) -> None: ...
    def rendered(self, done: int, total: int) -> None: ...
    def fitted(self, done: int, total: int) -> None: ...
    def passed(self, metrics: object) -> None: ...


def run_variant(name: str, frames: Path, folder: Path, processes: Processes) -> None:
    kind, settings = VARIANTS[name]
    count = frames.stat().st_size // FRAME_BYTES
    starts, samples = np.zeros(count, np.intp), np.zeros((1, 8, 8, 3), np.uint8)
    cache = FrameCache([frames], starts[:1], samples, "x", [], np.arange(count) / 20, starts)
    run = RunFolder(folder / name)
    with processes.rank_zero_first():
        run.start(settings, cache, [])
    train(cache, settings, run.folder, "cpu", Silent(), kind(processes.number, processes.count))


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    with joined("cpu") as processes:
        for name in sys.argv[3:]:
            run_variant(name, Path(sys.argv[1]), Path(sys.argv[2]), processes)
