"""The control for the latent entropy: the plain variance of the latents.

For a kernel much wider than the latents are spread, eq. 6 of MLE-UVAD is this term divided by 2σ².
"""

from torch import Tensor


def latent_variance(latent: Tensor) -> Tensor:
    """Return (1/B) Σ_i ‖z_i − z̄‖² of latents [B, d], z̄ their mean."""
    return (latent - latent.mean(0)).square().sum(1).mean()
