"""Compare the speed of the monitor with that of common anomaly detectors, on one thread of ONNX Runtime.

Run `python benchmarks/comparison_models.py`.

Of each comparison model only the networks are timed, on a prepared tensor: no resizing, no distances to a memory bank,
no anomaly map. The monitor is timed from the camera frame to evidence and alarm. Weights are random, which does not
change the cost. Goals: 20 times as fast as PaDiM's backbone, 300 times as fast as EfficientAD-S (medium).

- PaDiM (Defard et al., ICPR 2021, arXiv 2011.08785): the features of layers 1 to 3 of ResNet-18 (He et al., CVPR 2016,
  arXiv 1512.03385, table 1).
- EfficientAD-S (Batzner et al., WACV 2024, arXiv 2303.14535, tables of the appendix): teacher and student, both the
  small patch description network, the student with twice the channels, and the autoencoder. Without zero padding,
  the default of anomalib; padding adds computation.
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

SIDE = 256  # of the comparison models' input images, pixels
ROUNDS = 12
CALLS = {"EfficientAD-S": 1, "PaDiM backbone": 4}  # per round
MONITOR_CALLS = 40  # per round


class Block(nn.Module):
    """Residual block of ResNet-18: two 3×3 convolutions and a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map [1, channels_in, h, w] to [1, channels, h / stride, w / stride]."""
        y = self.norms[1](self.second(torch.relu(self.norms[0](self.first(x)))))
        return torch.relu(y + self.shortcut(x))


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

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map [1, 3, 256, 256] to features [1, 64, 64, 64], [1, 128, 32, 32] and [1, 256, 16, 16]."""
        x, features = self.stem(image), []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return features


def patch_description(channels: int) -> nn.Sequential:
    """Build the small patch description network: 56×56 cells with a receptive field of 33×33 pixels each."""
    return nn.Sequential(
        *(nn.Conv2d(3, 128, 4), nn.ReLU(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(128, 256, 4), nn.ReLU(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(256, 256, 3), nn.ReLU(), nn.Conv2d(256, channels, 4)),
    )


class EfficientAd(nn.Module):
    """Teacher, student and autoencoder of EfficientAD-S."""

    DECODED = (3, 8, 15, 32, 63, 127)  # sides of the upsampled feature maps in the decoder
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
        self.head = nn.Sequential(nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU(), nn.Conv2d(64, self.CHANNELS, 3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map [1, 3, 256, 256] to the mean squares [1, 56, 56] of student − teacher and student − autoencoder."""
        x = self.encoder(image)
        for side, convolution in zip(self.DECODED, self.decoder, strict=True):
            x = torch.relu(convolution(F.interpolate(x, (side, side), mode="bilinear")))
        decoded = self.head(F.interpolate(x, (self.GRID_SIDE, self.GRID_SIDE), mode="bilinear"))
        local, whole = self.student(image).split(self.CHANNELS, 1)
        return (local - self.teacher(image)).square().mean(1), (whole - decoded).square().mean(1)


def comparison_model(network: nn.Module) -> Callable[[], object]:
    """Return a function that runs the network once in ONNX Runtime."""
    image = np.random.default_rng(0).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    session = open_session(network, {"image": image})
    return lambda: session.run(None, {"image": image})


def full_monitor(folder: Path, width: str) -> Callable[[], object]:
    """Return a function that updates a monitor with the next frame of a drive."""
    bundle = make_bundle(folder, width)
    monitor, frames, number = Monitor(open_scorer(bundle), unreachable_thresholds(bundle)), camera_frames(8), 0

    def update() -> None:
        nonlocal number
        reading = monitor.update(frames[number % 8], number / HZ)
        assert reading.score.status == "ok", reading.score
        number += 1

    for _ in range(WARM_UP_FRAMES):
        update()
    return update


def side_by_side(calls: dict[str, Callable[[], object]]) -> dict[str, NDArray[np.float64]]:
    """Return the CPU time of this thread for each call in ms, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-1, ROUNDS):
        for name, call in calls.items():
            for _ in range(CALLS.get(name, MONITOR_CALLS)):
                began_s = time.thread_time()
                call()
                if number >= 0:  # the first round warms up
                    times[name].append((time.thread_time() - began_s) * 1e3)
    return {name: np.array(taken) for name, taken in times.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        calls = {"EfficientAD-S": comparison_model(EfficientAd()), "PaDiM backbone": comparison_model(Padim())}
        calls |= {width: full_monitor(Path(folder), width) for width in WIDTHS}
        taken = side_by_side(calls)
    medians = {name: float(np.median(times)) for name, times in taken.items()}
    print(f"median of {ROUNDS} rounds in turns, one thread{'':5}CPU ms   EfficientAD-S takes   PaDiM's backbone takes")
    for name, ms in medians.items():
        ratios = [medians[other] / ms for other in CALLS]
        print(f"{name:46} {ms:9.2f} {ratios[0]:14.1f} times {ratios[1]:17.1f} times")


if __name__ == "__main__":
    main()
