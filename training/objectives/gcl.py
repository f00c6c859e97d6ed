"""Generative cooperative learning (GCL, Zaheer et al., CVPR 2022, arXiv 2203.03962), on frames.

Two networks label each other's samples. Those that the generator reconstructs badly are the anomalies that the
discriminator learns; those that the discriminator calls abnormal get a wrong target, so that the generator unlearns
them. The paper works on features of a network that was trained on actions; here the generator is the autoencoder, and
the discriminator sees its latent. The constants are those of its authors as far as they are known.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from .clip_method import ClipMethod

WARM_UP = 0.05  # of the training: until then the generator learns to reconstruct all, and unlearns nothing
GENERATOR_DEVIATIONS, DISCRIMINATOR_DEVIATIONS = 1.0, 0.1  # above the mean of a batch: taken for abnormal


def above(values: Tensor, deviations: float) -> Tensor:
    """Return which values [B] lie so many standard deviations above their mean; they get no gradient."""
    values = values.detach()
    return values >= values.mean() + deviations * values.std()


def negative_target(frames: Tensor, abnormal: Tensor) -> Tensor:
    """Return the frames [B, 1, 80, 80] with a white one in place of each that is taken for abnormal [B]."""
    return torch.where(abnormal[:, None, None, None], torch.ones_like(frames), frames)


class Generator(Protocol):
    """An autoencoder of frames [B, 1, 80, 80]."""

    def encode(self, frames: Tensor) -> Tensor:
        """Encode frames to latents [B, latent]."""

    def decode(self, latent: Tensor) -> Tensor:
        """Decode latents to frames."""


class Gcl(ClipMethod):
    """An autoencoder as generator, and a discriminator of its latents. The score is the discriminator's."""

    frames = 1

    def __init__(self, autoencoder: Generator, latent: int) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.discriminator = nn.Sequential(
            nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
        )

    def loss(self, clips: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Return ‖G(x) − t‖² + BCE(D(x), l): t by the discriminator's verdict, l by the generator's error."""
        latent = self.autoencoder.encode(clips)
        rendered = self.autoencoder.decode(latent)
        logits = self.discriminator(latent.detach()).squeeze(1)  # [B]
        badly_rendered = above((rendered - clips).square().flatten(1).mean(1), GENERATOR_DEVIATIONS)
        learns = nn.functional.binary_cross_entropy_with_logits(logits, badly_rendered.to(logits.dtype))
        abnormal = above(logits.sigmoid(), DISCRIMINATOR_DEVIATIONS)
        target = clips if progress < WARM_UP else negative_target(clips, abnormal)
        return (rendered - target).square().flatten(1).sum(1).mean() + learns

    def expected(self, clips: Tensor) -> Tensor:
        return self.autoencoder.decode(self.autoencoder.encode(clips))

    def scores(self, clips: Tensor) -> Tensor:
        return self.discriminator(self.autoencoder.encode(clips)).squeeze(1)
