"""Easy frames, a cache of them, and watchers."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mle_uvad.edge.frame import SIZE
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.fit import PassMetrics
from mle_uvad.training.metrics import EpochMetrics
from mle_uvad.training.run import RunFolder
from mle_uvad.training.settings import PRESETS, TrainSettings
from mle_uvad.training.train import train

Grey = NDArray[np.uint8]


class Recorder:
    """Keeps what a training tells, and can cut it short like a power failure."""

    def __init__(self, stop_after_epoch: int = 0, stop_in_epoch: int = 0, stop_after_pass: int = 0) -> None:
        self.stop_after_epoch, self.stop_in_epoch = stop_after_epoch, stop_in_epoch
        self.stop_after_pass = stop_after_pass
        self.decodings: list[tuple[int, int]] = []
        self.batches: list[tuple[int, int, int]] = []
        self.epochs: list[EpochMetrics] = []
        self.renderings: list[tuple[int, int]] = []
        self.fittings: list[tuple[int, int]] = []
        self.passes: list[PassMetrics] = []

    def decoded(self, done: int, total: int) -> None:
        self.decodings.append((done, total))

    def batch(self, epoch: int, frames_done: int, frames_total: int) -> None:
        self.batches.append((epoch, frames_done, frames_total))
        if epoch == self.stop_in_epoch:
            raise PowerCutError

    def epoch(self, metrics: EpochMetrics) -> None:
        self.epochs.append(metrics)
        if metrics.epoch == self.stop_after_epoch:
            raise PowerCutError

    def rendered(self, done: int, total: int) -> None:
        self.renderings.append((done, total))

    def fitted(self, done: int, total: int) -> None:
        self.fittings.append((done, total))

    def passed(self, metrics: PassMetrics) -> None:
        self.passes.append(metrics)
        if metrics.epoch == self.stop_after_pass:
            raise PowerCutError


class PowerCutError(Exception):
    """Not an error of ours."""


def spots(count: int, seed: int = 0) -> Grey:
    """Frames [count, 80, 80] of one bright spot somewhere on a slope: easy to learn, far from their mean."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    centres = rng.uniform(15, 65, (count, 2))
    distances = np.square(rows - centres[:, :1, None]) + np.square(columns - centres[:, 1:, None])
    return (30 + rows / 4 + 180 * np.exp(-distances / 200)).astype(np.uint8)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small batches gain nothing from more threads, and these would wait for one another on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def make_cache(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., FrameCache]:
    """`make_cache(frames)`: a cache of grey frames, in a file as in a real training.

    Taken at 20 Hz in one drive; `clock_s` and `starts` say otherwise.
    """

    def make(
        frames: Grey, clock_s: NDArray[np.float64] | None = None, starts: NDArray[np.intp] | None = None
    ) -> FrameCache:
        data = tmp_path_factory.mktemp("frames") / "frames.u8"
        data.write_bytes(frames.tobytes())
        samples = np.repeat(frames[:4, :, :, None], 3, axis=3)
        clock_s = np.arange(len(frames)) / 20 if clock_s is None else clock_s
        starts = np.zeros(len(frames), np.intp) if starts is None else starts
        return FrameCache([data], np.zeros(1, np.intp), samples, f"{len(frames)} frames", [], clock_s, starts)

    return make


@pytest.fixture(scope="session")
def cache(make_cache: Callable[..., FrameCache]) -> FrameCache:
    """110 frames: with batches of 48 the last one is short."""
    return make_cache(spots(110))


@pytest.fixture
def recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture
def power_cut() -> type[PowerCutError]:
    return PowerCutError


@pytest.fixture(scope="session")
def small() -> Callable[..., TrainSettings]:
    """`small(preset, …)`: a preset as narrow and short as a test needs it."""

    def make(preset: str = "paper", **changes: Any) -> TrainSettings:
        narrow: dict[str, Any] = {"width": "narrow", "epochs": 2, "batch_size": 48, "windows": 0}
        return replace(PRESETS[preset], **(narrow | changes))

    return make


@pytest.fixture
def run_training(tmp_path: Path, cache: FrameCache) -> Callable[..., RunFolder]:
    """`run_training(settings, …)`: start or go on in a folder, as the command line does, but on the cache."""

    def run(
        settings: TrainSettings, *, name: str = "run", frames: FrameCache = cache, callback: Recorder | None = None
    ) -> RunFolder:
        folder = RunFolder(tmp_path / name)
        folder.start(settings, frames, ["tub"])
        train(frames, settings, folder.folder, "cpu", callback or Recorder())
        return folder

    return run


@pytest.fixture
def metrics_of() -> Callable[..., EpochMetrics]:
    """`metrics_of(epoch=…)`: an epoch's figures where a test does not care for them."""

    def make(**changes: Any) -> EpochMetrics:
        plain = EpochMetrics(1, 0.1, 1.0, 0.5, 1.0, 0.1, 1.0, 2.0, 0.5, 0.4, "healthy", 100.0, 1.0, 1.0)
        return replace(plain, **changes)

    return make
