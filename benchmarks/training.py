"""What the training loop costs over its bare steps, and its memory: `python benchmarks/training.py`.

With `variants`: what the layout of the tensors and bfloat16 make of the bare steps. torch.compile was tried in their
place: half a minute to compile, then as fast as channels last (medium), or a fifth slower (narrow), on one core.

Goals: at most 1.2 times the same steps on tensors that lie in memory; below 1 GB with 100,000 frames.
"""

import contextlib
import mmap
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mle_uvad.edge.frame import SIZE
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.fit import PassMetrics
from mle_uvad.training.objectives import latent_entropy, squared_error
from mle_uvad.training.run import EpochMetrics, RunFolder, make_model
from mle_uvad.training.settings import PRESETS, TrainSettings
from mle_uvad.training.train import train

FRAMES = 1536
EPOCHS = 4
MANY_FRAMES = 100_000
MANY_STEPS = 80
PIECE = 1000


class Stopped(Exception):  # noqa: N818 no error
    """The benchmark has seen enough steps."""


class Watcher:
    """Counts the steps, and says when an epoch of `train` begins and ends."""

    def __init__(self, steps: int | None = None) -> None:
        self.steps = steps
        self.seconds: list[float] = []

    def decoded(self, done: int, total: int) -> None:
        """Never called: the cache is there."""

    def batch(self, epoch: int, frames_done: int, frames_total: int) -> None:
        """After each step."""
        if self.steps is not None:
            self.steps -= 1
            if self.steps == 0:
                raise Stopped

    def epoch(self, metrics: EpochMetrics) -> None:
        """After each epoch."""
        self.seconds.append(metrics.seconds)

    def rendered(self, done: int, total: int) -> None:
        """Never called, as the next two: `train` is the autoencoder alone."""

    def fitted(self, done: int, total: int) -> None:
        """Never called."""

    def passed(self, metrics: PassMetrics) -> None:
        """Never called."""


class BareSteps:
    """The same model, loss and batches on one tensor in memory, with nothing around them."""

    def __init__(
        self, cache: FrameCache, settings: TrainSettings, layout: torch.memory_format = torch.channels_last
    ) -> None:
        self.settings = settings
        self.mixed = torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16")
        self.frames = torch.tensor(cache.frames).unsqueeze(1).float() / 255  # [N, 1, 80, 80]
        self.model = make_model(settings).to(memory_format=layout).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)

    def epoch(self) -> float:
        """One epoch in seconds."""
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
    """Print the frames a second of bare steps; the variants take turns, the median counts."""
    cache, settings = make_cache(folder, FRAMES), replace(PRESETS["paper"], width=width)
    steps = {
        "as torch lays out": BareSteps(cache, settings, torch.contiguous_format),
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
    """Random frames on disk, the same thousand over and over."""
    data = folder / f"{count}.u8"
    piece = np.random.default_rng(0).integers(0, 256, (min(count, PIECE), SIZE, SIZE), dtype=np.uint8)
    with data.open("wb") as file:
        for start in range(0, count, PIECE):
            file.write(piece[: count - start].tobytes())
    with data.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    frames = np.frombuffer(mapping, np.uint8).reshape(count, SIZE, SIZE)
    samples, starts = np.zeros((1, 120, 160, 3), np.uint8), np.zeros(count, np.intp)
    return FrameCache(frames, mapping, samples, "random", [], np.arange(count) / 20, starts)


def per_epoch(folder: Path, width: str) -> tuple[float, float]:
    """Seconds of the median epoch: bare steps, and `train` from the memory map. Epochs take turns."""
    cache, settings = make_cache(folder, FRAMES), replace(PRESETS["paper"], width=width, epochs=EPOCHS + 1)
    bare, watcher, bare_s = BareSteps(cache, settings), Watcher(), []
    run = RunFolder(folder / width)
    run.start(settings, cache, [])

    class TakeTurns(Watcher):
        """Lets the bare steps run after each epoch of the loop."""

        def epoch(self, metrics: EpochMetrics) -> None:
            watcher.epoch(metrics)
            bare_s.append(bare.epoch())

    train(cache, settings, run.folder, "cpu", TakeTurns())
    return float(np.median(bare_s[1:])), float(np.median(watcher.seconds[1:]))  # the first warms up


def many_frames(folder: Path) -> None:
    """Train for some steps over the whole file and print the peak of the resident memory."""
    cache, settings = make_cache(folder, MANY_FRAMES), replace(PRESETS["paper"])
    run = RunFolder(folder / "many")
    run.start(settings, cache, [])
    before_mb = peak_mb()
    with contextlib.suppress(Stopped):
        train(cache, settings, run.folder, "cpu", Watcher(MANY_STEPS))
    print(f"{MANY_FRAMES:,} frames, {MANY_STEPS} steps: peak {peak_mb():.0f} MB, before training {before_mb:.0f} MB")


def peak_mb() -> float:
    """Peak of the resident memory. Not getrusage: that includes the process which started this one."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if sys.argv[1:] == ["many"]:
            many_frames(folder)
            return
        if sys.argv[1:] == ["variants"]:
            for width in ("narrow", "medium"):
                variants(folder, width)
            return
        print(f"{FRAMES} frames   bare epoch s  train() epoch s  ratio")
        for width in ("narrow", "medium"):
            bare, loop = per_epoch(folder, width)
            print(f"{width:13} {bare:12.2f} {loop:16.2f} {loop / bare:6.2f}", flush=True)
    subprocess.run([sys.executable, __file__, "many"], check=True)


if __name__ == "__main__":
    main()
