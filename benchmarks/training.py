"""Measure speed and memory of the training loop: `python benchmarks/training.py [variants]`.

`variants` compares tensor layouts and bfloat16 on the bare steps. torch.compile was tried as well: it takes half a
minute to compile, and is then as fast as channels last (medium) or a fifth slower (narrow), on one core.

Goals: at least 85 % of the frames per second of the same steps on tensors in memory; the same resident memory with
200,000 frames as with 10,000, and below 1 GB. 1.3 GB of frames are written to the temporary folder meanwhile. The tub
records that `mle-uvad train` keeps, 0.7 kB each, are not included.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mle_uvad.training.cache import FrameCache
from mle_uvad.training.fit import PassMetrics
from mle_uvad.training.metrics import EpochMetrics
from mle_uvad.training.networks import make_model
from mle_uvad.training.objectives.mle import latent_entropy, squared_error
from mle_uvad.training.run import RunFolder
from mle_uvad.training.settings import PRESETS, TrainSettings
from mle_uvad.training.shards import FRAME_BYTES, SHARD_RECORDS
from mle_uvad.training.train import train

FRAMES = 1536
EPOCHS = 4
FEW_FRAMES, MANY_FRAMES = 10_000, 200_000
MANY_STEPS = 20


class Stopped(Exception):  # noqa: N818 no error
    """Raised after the requested number of steps."""


class TrainingCallback:
    """Stops training after `steps` steps, and records the seconds of each epoch."""

    def __init__(self, steps: int | None = None) -> None:
        self.steps = steps
        self.seconds: list[float] = []

    def decoded(self, done: int, total: int) -> None:
        """Never called: the cache exists already."""

    def batch(self, epoch: int, frames_done: int, frames_total: int) -> None:
        """Count a step."""
        if self.steps is not None:
            self.steps -= 1
            if self.steps == 0:
                raise Stopped

    def epoch(self, metrics: EpochMetrics) -> None:
        """Record an epoch."""
        self.seconds.append(metrics.seconds)

    def rendered(self, done: int, total: int) -> None:
        """Never called, like the next two: `train` trains only the autoencoder."""

    def fitted(self, done: int, total: int) -> None:
        """Never called."""

    def passed(self, metrics: PassMetrics) -> None:
        """Never called."""


class BareSteps:
    """The same model, loss and batches on one tensor in memory, without the training loop."""

    def __init__(
        self, cache: FrameCache, settings: TrainSettings, layout: torch.memory_format = torch.channels_last
    ) -> None:
        self.settings = settings
        self.mixed = torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16")
        self.frames = torch.from_numpy(cache.take(np.arange(len(cache)))).unsqueeze(1).float() / 255  # [N, 1, 80, 80]
        self.model = make_model(settings).to(memory_format=layout).train()  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)

    def epoch(self) -> float:
        """Run one epoch and return its seconds."""
        began_s, settings = time.perf_counter(), self.settings
        for x in self.frames[torch.randperm(len(self.frames))].split(settings.batch_size):
            with self.mixed:
                z, reconstruction = (part.float() for part in self._pass(x))
            loss = squared_error(x, reconstruction, settings.squared_error)
            loss = loss + settings.entropy_weight * latent_entropy(z, settings.sigma)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - began_s

    def _pass(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = self.model.encode(x)
        return z, self.model.decode(z)


def variants(folder: Path, width: str) -> None:
    """Print the frames per second of bare steps: the median over epochs that the variants run in turns."""
    cache, settings = make_cache(folder, FRAMES), replace(PRESETS["paper"], width=width)
    steps = {
        "contiguous": BareSteps(cache, settings, torch.contiguous_format),
        "channels last": BareSteps(cache, settings),
        "channels last, bfloat16": BareSteps(cache, replace(settings, precision="bfloat16")),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(EPOCHS + 1):
        for name, bare in steps.items():
            seconds[name].append(bare.epoch())
    for name, taken in seconds.items():
        print(f"{width:8} {name:24} {FRAMES / np.median(taken[1:]):8.0f} frames/s", flush=True)


def make_cache(folder: Path, count: int) -> FrameCache:
    """Write random frames, in shards as for one tub."""
    firsts = np.arange(0, count, SHARD_RECORDS)
    shards = [folder / f"{first}.u8" for first in firsts]
    rng = np.random.default_rng(0)
    for shard, first in zip(shards, firsts, strict=True):
        shard.write_bytes(rng.bytes(min(SHARD_RECORDS, count - first) * FRAME_BYTES))
    samples, starts = np.zeros((1, 120, 160, 3), np.uint8), np.zeros(count, np.intp)
    return FrameCache(shards, firsts, samples, "random", [], np.arange(count) / 20, starts)


def per_epoch(folder: Path, width: str) -> tuple[float, float]:
    """Return the seconds of the median epoch, of bare steps and of `train`, whose epochs alternate."""
    cache, settings = make_cache(folder, FRAMES), replace(PRESETS["paper"], width=width, epochs=EPOCHS + 1)
    bare, callback, bare_s = BareSteps(cache, settings), TrainingCallback(), []
    run = RunFolder(folder / width)
    run.start(settings, cache, [])

    class TakeTurns(TrainingCallback):
        """Runs an epoch of bare steps after each epoch of the loop."""

        def epoch(self, metrics: EpochMetrics) -> None:
            callback.epoch(metrics)
            bare_s.append(bare.epoch())

    train(cache, settings, run.folder, "cpu", TakeTurns())
    return float(np.median(bare_s[1:])), float(np.median(callback.seconds[1:]))  # the first warms up


def memory(folder: Path, count: int) -> None:
    """Train for `MANY_STEPS` steps on `count` frames and print the peak of the resident memory."""
    cache, settings = make_cache(folder, count), PRESETS["paper"]
    run = RunFolder(folder / "run")
    run.start(settings, cache, [])
    before_mb = peak_mb()
    with contextlib.suppress(Stopped):
        train(cache, settings, run.folder, "cpu", TrainingCallback(MANY_STEPS))
    print(
        f"{count:,} frames, {MANY_STEPS} steps: peak {peak_mb():.0f} MB, before training {before_mb:.0f} MB", flush=True
    )


def peak_mb() -> float:
    """Return the peak of the resident memory. getrusage would include that of the parent process."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if sys.argv[1:2] == ["memory"]:
            memory(folder, int(sys.argv[2]))
            return
        if sys.argv[1:] == ["variants"]:
            for width in ("narrow", "medium"):
                variants(folder, width)
            return
        print(f"{FRAMES} frames   bare epoch s  train() epoch s   relative speed")
        for width in ("narrow", "medium"):
            bare, loop = per_epoch(folder, width)
            print(f"{width:13} {bare:12.2f} {loop:16.2f} {bare / loop:15.0%}", flush=True)
    for count in (FEW_FRAMES, MANY_FRAMES):
        subprocess.run([sys.executable, __file__, "memory", str(count)], check=True)


if __name__ == "__main__":
    main()
