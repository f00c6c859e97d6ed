"""Times the networks beside common anomaly detectors, on one thread of ONNX Runtime.

Run `python benchmarks/comparison_models.py`.

Each peer is its networks alone, on a tensor that is ready: no resizing, no distances to a memory of clean patches, no
map made from the features. Ours is the whole way from the camera frame to evidence and alarm. Weights are random; the
cost is the same. Goals: 20 times faster than PaDiM's backbone, 300 times than EfficientAD-S (medium).

- PaDiM (Defard et al., ICPR 2021, arXiv 2011.08785): the features of layers 1 to 3 of ResNet-18 (He et al., CVPR 2016,
  arXiv 1512.03385, table 1).
- EfficientAD-S (Batzner et al., WACV 2024, arXiv 2303.14535, tables of the appendix): teacher and student, both the
  small patch description network, the student with twice the channels, and the autoencoder. Without zero padding, as
  anomalib has it by default; with it there is more to compute.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scoring import camera_frames, make_bundle, open_session
from torch import Tensor, nn
from torch.nn import functional as F

from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.device.bench import HZ, WARM_UP_FRAMES, unreachable_thresholds
from mle_uvad.edge.monitor import Monitor
from mle_uvad.training.model import WIDTHS

SIDE = 256  # of the peers' pictures, pixels
ROUNDS = 12
CALLS = {"EfficientAD-S": 1, "PaDiM backbone": 4}  # in a round; others `OURS`
OURS = 40


class Block(nn.Module):
    """Two 3×3 convolutions and a way around them, as in ResNet-18."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))
        self.around: nn.Module = nn.Identity()
        if stride != 1:
            self.around = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[1, channels_in, h, w] to [1, channels, h / stride, w / stride]."""
        y = self.norms[1](self.second(torch.relu(self.norms[0](self.first(x)))))
        return torch.relu(y + self.around(x))


class Padim(nn.Module):
    """ResNet-18 up to its third layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.layers = nn.ModuleList(
            nn.Sequential(Block(channels_in, channels, stride), Block(channels, channels, 1))
            for channels_in, channels, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2))
        )

    def forward(self, picture: Tensor) -> list[Tensor]:
        """[1, 3, 256, 256] to features [1, 64, 64, 64], [1, 128, 32, 32] and [1, 256, 16, 16]."""
        x, features = self.stem(picture), []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return features


def patch_description(channels: int) -> nn.Sequential:
    """The small patch description network: 33×33 pixels seen by each of 56×56 places."""
    return nn.Sequential(
        *(nn.Conv2d(3, 128, 4), nn.ReLU(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(128, 256, 4), nn.ReLU(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(256, 256, 3), nn.ReLU(), nn.Conv2d(256, channels, 4)),
    )


class EfficientAd(nn.Module):
    """Teacher, student and autoencoder of the size S."""

    DECODED = (3, 8, 15, 32, 63, 127)  # sides of the pictures that are enlarged on the way
    CHANNELS = 384
    GRID_SIDE = 56

    def __init__(self) -> None:
        super().__init__()
        self.teacher, self.student = patch_description(self.CHANNELS), patch_description(2 * self.CHANNELS)
        layers: list[nn.Module] = []
        for channels_in, channels in ((3, 32), (32, 32), (32, 64), (64, 64), (64, 64)):
            layers += [nn.Conv2d(channels_in, channels, 4, 2, 1), nn.ReLU()]
        self.encoder = nn.Sequential(*layers, nn.Conv2d(64, 64, 8))
        self.decoder = nn.ModuleList(nn.Conv2d(64, 64, 4, 1, 2) for _ in self.DECODED)
        self.answer = nn.Sequential(nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU(), nn.Conv2d(64, self.CHANNELS, 3, 1, 1))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """[1, 3, 256, 256] to the mean squares [1, 56, 56] of student − teacher and student − autoencoder."""
        x = self.encoder(picture)
        for side, convolution in zip(self.DECODED, self.decoder, strict=True):
            x = torch.relu(convolution(F.interpolate(x, (side, side), mode="bilinear")))
        decoded = self.answer(F.interpolate(x, (self.GRID_SIDE, self.GRID_SIDE), mode="bilinear"))
        local, whole = self.student(picture).split(self.CHANNELS, 1)
        return (local - self.teacher(picture)).square().mean(1), (whole - decoded).square().mean(1)


def peer(network: nn.Module) -> Callable[[], object]:
    """A call of the network by ONNX Runtime."""
    picture = np.random.default_rng(0).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    session = open_session(network, {"picture": picture})
    return lambda: session.run(None, {"picture": picture})


def ours(folder: Path, width: str) -> Callable[[], object]:
    """A call of the monitor on the next frame of a drive."""
    bundle = make_bundle(folder, width)
    monitor, frames, number = Monitor(open_scorer(bundle), unreachable_thresholds(bundle)), camera_frames(8), 0

    def watch() -> None:
        nonlocal number
        reading = monitor.update(frames[number % 8], number / HZ)
        assert reading.score.status == "ok", reading.score
        number += 1

    for _ in range(WARM_UP_FRAMES):
        watch()
    return watch


def side_by_side(calls: dict[str, Callable[[], object]]) -> dict[str, NDArray[np.float64]]:
    """The ms of each, taken in turns; of this thread on a core, without what other programs take."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-1, ROUNDS):
        for name, call in calls.items():
            for _ in range(CALLS.get(name, OURS)):
                began_s = time.thread_time()
                call()
                if number >= 0:  # the first round warms up
                    times[name].append((time.thread_time() - began_s) * 1e3)
    return {name: np.array(taken) for name, taken in times.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        calls = {"EfficientAD-S": peer(EfficientAd()), "PaDiM backbone": peer(Padim())}
        calls |= {width: ours(Path(folder), width) for width in WIDTHS}
        taken = side_by_side(calls)
    medians = {name: float(np.median(times)) for name, times in taken.items()}
    print(f"median of {ROUNDS} rounds in turns, one thread{'':5}CPU ms   EfficientAD-S takes   PaDiM's backbone takes")
    for name, ms in medians.items():
        ratios = [medians[other] / ms for other in CALLS]
        print(f"{name:46} {ms:9.2f} {ratios[0]:14.1f} times {ratios[1]:17.1f} times")


if __name__ == "__main__":
    main()
