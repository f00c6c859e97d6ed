"""The latent reference loss, of the earlier paper on cleaning imitation-learning data by the lab of MLE-UVAD.

Each latent is pulled to its nearest neighbour among the latents of a few frames that are drawn before the training. The
paper does not state their number, nor whether the neighbour gets a gradient; here 512, and none.
"""

import torch
from torch import Tensor

REFERENCE_FRAMES = 512


def reference_loss(latent: Tensor, numbers: Tensor, references: Tensor, reference_numbers: Tensor) -> Tensor:
    """Return (1/B) Σ_i ‖h_i − h_near(i)‖² of latents [B, d] and the references [M, d], which get no gradient.

    `numbers` [B] and `reference_numbers` [M] say which frame each is of: a frame is no neighbour of itself, which it
    would be at distance 0.
    """
    with torch.no_grad():
        distances = torch.cdist(latent.detach(), references)  # [B, M]
        distances[numbers[:, None] == reference_numbers[None, :]] = torch.inf
        nearest = references[distances.argmin(1)]  # [B, d]
    return (latent - nearest).square().sum(1).mean()
