"""Latent constriction (Astrid, Zaheer, Lee, arXiv 2403.16270): latents inside, or on, a sphere of radius α.

The paper gives L = L_R + λ L_C, and that L_C constrains the norm of each latent vector in one of two ways. The two
equations below are a reconstruction from that, because the paper's own were not at hand. The paper constrains the
vector at each place of a map of features; the latent here is a single vector.
"""

from torch import Tensor

ALPHA = 1.0  # the paper sweeps it and finds it of little influence


def inside_sphere(latent: Tensor, alpha: float = ALPHA) -> Tensor:
    """Return (1/B) Σ_i max(0, ‖z_i‖ − α) of latents [B, d]: those inside are free."""
    return (latent.norm(dim=1) - alpha).clamp_min(0).mean()


def on_sphere(latent: Tensor, alpha: float = ALPHA) -> Tensor:
    """Return (1/B) Σ_i (‖z_i‖ − α)² of latents [B, d]: all are drawn to the surface, which fixes their scale."""
    return (latent.norm(dim=1) - alpha).square().mean()
