"""ROADMAP (Wang et al., TNNLS 2021, arXiv 2011.02763), lite: prediction of the next frame, tolerant of noise.

A recurrent path at each scale follows how a scene moves, the scales are fused, and the next frame is predicted. Lite:
two paths instead of the paper's many, and its noise-tolerance loss, whose exact form was not found, is stood in for by
an error that is free up to ε. The paper trains on normal drives alone.
"""

import torch
from torch import Tensor, nn

from .clip_method import ClipMethod

CLIP = 5  # four frames to look at, and the one to predict
EPSILON = 2 / 255  # an error that counts as sensor noise
BLOCK = 16  # side of the blocks of the score, in pixels


def tolerant_error(predicted: Tensor, frames: Tensor) -> Tensor:
    """Return the mean of max(0, |e| − ε)²: what the noise of a camera explains costs nothing."""
    return ((predicted - frames).abs() - EPSILON).clamp_min(0).square().mean()


def gradient_error(predicted: Tensor, frames: Tensor) -> Tensor:
    """Return the mean difference of the absolute image gradients, which keeps edges sharp."""
    return torch.stack(
        [(predicted.diff(dim=axis).abs() - frames.diff(dim=axis).abs()).abs().mean() for axis in (2, 3)]
    ).sum()


class ConvGru(nn.Module):
    """A gated recurrent unit over maps [B, C, h, w]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1)
        self.candidate = nn.Conv2d(2 * channels, channels, 3, padding=1)

    def forward(self, sequence: list[Tensor]) -> Tensor:
        state = torch.zeros_like(sequence[0])
        for maps in sequence:
            update, reset = self.gates(torch.cat([maps, state], 1)).sigmoid().chunk(2, 1)
            candidate = self.candidate(torch.cat([maps, reset * state], 1)).tanh()
            state = (1 - update) * state + update * candidate
        return state


class RoadmapLite(ClipMethod):
    """Predicts a frame from the four before it, along recurrent paths at 20×20 and 10×10."""

    frames = CLIP

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.fine = nn.Sequential(_down(1, width), _down(width, 2 * width))  # 20×20
        self.coarse = _down(2 * width, 4 * width)  # 10×10
        self.fine_path, self.coarse_path = ConvGru(2 * width), ConvGru(4 * width)
        self.rise = nn.Sequential(nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1), nn.ReLU())
        self.render = nn.Sequential(
            nn.ConvTranspose2d(4 * width, width, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, 2, 1),
            nn.Sigmoid(),
        )

    def expected(self, clips: Tensor) -> Tensor:
        """Predict the last frame [B, 1, 80, 80]; it is not looked at."""
        fine = [self.fine(clips[:, number : number + 1]) for number in range(CLIP - 1)]
        coarse = [self.coarse(maps) for maps in fine]
        fused = torch.cat([self.fine_path(fine), self.rise(self.coarse_path(coarse))], 1)
        return self.render(fused)

    def loss(self, clips: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        predicted, frames = self.expected(clips), clips[:, -1:]
        return tolerant_error(predicted, frames) + 0.1 * gradient_error(predicted, frames)

    def scores(self, clips: Tensor) -> Tensor:
        """Return the largest mean squared error of a block; it orders frames as its negative PSNR does."""
        error = (self.expected(clips) - clips[:, -1:]).square()
        return nn.functional.avg_pool2d(error, BLOCK).flatten(1).amax(1)


def _down(source: int, target: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(source, target, 3, stride=2, padding=1), nn.ReLU())
