"""The convolutional autoencoder: from an 80×80 grey frame to a latent of 32 numbers and back."""

import torch
from torch import Tensor, nn

from ..edge.frame import SIZE

# Output channels of the four stride-2 stages. Multiply-adds of one frame: 4.3 M, 16.2 M, 63.1 M.
WIDTHS = {
    "narrow": (8, 16, 32, 64),
    "medium": (16, 32, 64, 128),
    "wide": (32, 64, 128, 256),
}
BOTTOM = SIZE // 16  # side of the map below the four stride-2 stages


class Autoencoder(nn.Module):
    """Four strided convolutions, a dense latent, four transposed convolutions, a sigmoid.

    The paper specifies an embedding of 32 and no layers. `bounded` puts a tanh on the latent.
    """

    def __init__(self, width: str = "medium", latent: int = 32, bounded: bool = False) -> None:
        super().__init__()
        channels = WIDTHS[width]
        down: list[nn.Module] = []
        for source, target in zip((1, *channels[:-1]), channels, strict=True):
            down += [
                nn.Conv2d(source, target, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(target),
                nn.ReLU(inplace=True),
            ]
        self.encoder = nn.Sequential(*down)
        self.to_latent = nn.Linear(channels[-1] * BOTTOM**2, latent)
        self.from_latent = nn.Linear(latent, channels[-1] * BOTTOM**2)
        up: list[nn.Module] = []
        for source, target in zip(channels[:0:-1], channels[-2::-1], strict=True):
            up += [
                nn.ConvTranspose2d(source, target, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(target),
                nn.ReLU(inplace=True),
            ]
        up += [nn.ConvTranspose2d(channels[0], 1, 4, stride=2, padding=1), nn.Sigmoid()]
        self.decoder = nn.Sequential(*up)
        self.bounded = bounded

    def encode(self, frames: Tensor) -> Tensor:
        """Encode frames [B, 1, 80, 80] in 0…1 to latents [B, latent]."""
        latent = self.to_latent(self.encoder(frames).flatten(1))  # [B, latent]
        return torch.tanh(latent) if self.bounded else latent

    def decode(self, latent: Tensor) -> Tensor:
        """Decode latents [B, latent] to reconstructions [B, 1, 80, 80] in 0…1."""
        maps = self.from_latent(latent).unflatten(1, (-1, BOTTOM, BOTTOM))  # [B, C, 5, 5]
        return self.decoder(maps)

    def forward(self, frames: Tensor) -> Tensor:
        """Reconstruct frames [B, 1, 80, 80] in 0…1; same shape and range."""
        return self.decode(self.encode(frames))
