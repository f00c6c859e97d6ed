"""DAST-Net (Kommanduri and Ghorai, Neurocomputing 2024), lite: an attentive autoencoder of short clips.

Known of the original is what its title and abstract say: a spatio-temporal autoencoder, dense, with visual attention,
trained on normal video. Lite: five frames stacked as channels, attention by CBAM (Woo et al., ECCV 2018), dense
connections within the encoder and none around the bottleneck, which would let everything through.
"""

import torch
from torch import Tensor, nn

from .clip_method import ClipMethod

CLIP = 5


class Cbam(nn.Module):
    """Attention over channels, then over places. Both only attenuate: each weight lies in 0…1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(channels, channels // 4), nn.ReLU(), nn.Linear(channels // 4, channels))
        self.places = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, maps: Tensor) -> Tensor:
        """Weigh maps [B, C, h, w]."""
        pooled = self.shared(maps.mean((2, 3))) + self.shared(maps.amax((2, 3)))  # [B, C]
        maps = maps * pooled.sigmoid()[:, :, None, None]
        summary = torch.cat([maps.mean(1, keepdim=True), maps.amax(1, keepdim=True)], 1)  # [B, 2, h, w]
        return maps * self.places(summary).sigmoid()


class DastLite(ClipMethod):
    """Reconstructs five frames through a latent of 64 numbers."""

    frames = CLIP

    def __init__(self, width: int = 16, latent: int = 64) -> None:
        super().__init__()
        self.first = _attentive(CLIP, width)  # 40×40
        self.second = _attentive(width + CLIP, 2 * width)  # 20×20; each stage also sees what the ones before saw
        self.third = _attentive(3 * width + CLIP, 4 * width)  # 10×10
        self.to_latent = nn.Linear(4 * width * 100, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, 4 * width * 100),
            nn.Unflatten(1, (4 * width, 10, 10)),
            *(_up(4 * width, 2 * width), _up(2 * width, width)),
            nn.ConvTranspose2d(width, CLIP, 4, 2, 1),
            nn.Sigmoid(),
        )

    def encode(self, clips: Tensor) -> Tensor:
        """Encode clips [B, 5, 80, 80] to latents [B, 64]."""
        pool = nn.functional.avg_pool2d
        first = self.first(clips)
        second = self.second(torch.cat([first, pool(clips, 2)], 1))
        third = self.third(torch.cat([second, pool(first, 2), pool(clips, 4)], 1))
        return self.to_latent(third.flatten(1))

    def loss(self, clips: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        return (self.decoder(self.encode(clips)) - clips).square().mean()

    def expected(self, clips: Tensor) -> Tensor:
        return self.decoder(self.encode(clips))[:, -1:]

    def scores(self, clips: Tensor) -> Tensor:
        return (self.decoder(self.encode(clips)) - clips).square().flatten(1).mean(1)


def _attentive(source: int, target: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(source, target, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(target), nn.ReLU(), Cbam(target)
    )


def _up(source: int, target: int) -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(source, target, 4, 2, 1, bias=False), nn.BatchNorm2d(target), nn.ReLU())
