"""Minimal latent entropy (MLE-UVAD, arXiv 2603.23868): the terms of the loss, eq. 3 and 6, and the score, eq. 2."""

import math

import torch
from torch import Tensor


def squared_error(frames: Tensor, reconstructions: Tensor, reduction: str) -> Tensor:
    """Eq. 3: the mean over the batch of the squared error, summed or averaged over the pixels of a frame.

    The printed norm is a `sum`; `mean` is 6400 times smaller, which the entropy's weight then feels.
    """
    per_frame = (frames - reconstructions).square().flatten(1)  # [B, 6400]
    return (per_frame.sum(1) if reduction == "sum" else per_frame.mean(1)).mean()


def latent_entropy(latent: Tensor, sigma: float, kernel: str = "joint", self_pairs: bool = True) -> Tensor:
    """Eq. 6: the quadratic Rényi entropy of a batch of latents [B, d], estimated with Gaussian kernels.

    0 when all latents coincide; log B (`self_pairs`) or more when all lie far apart. The kernel's constant
    factor is dropped: it has no gradient. `joint` takes the distance in all dimensions at once,
    `per_dimension` averages the entropies of the single dimensions: the paper's "one-dimensional kernel"
    allows both.
    """
    pairs = _squared_distances(latent, kernel)  # [B, B] joint, [d, B, B] per dimension
    exponents = -pairs / (4 * sigma**2)
    count = latent.shape[0]
    terms = count * count
    if not self_pairs:
        exponents = exponents.masked_fill(torch.eye(count, dtype=torch.bool, device=latent.device), -math.inf)
        terms -= count
    return (math.log(terms) - exponents.flatten(-2).logsumexp(-1)).mean()


def effective_neighbours(latent: Tensor, sigma: float) -> float:
    """The mean over the batch of Σ_j exp(−‖z_i − z_j‖² / 4σ²): 1 when each latent is alone, B when all coincide."""
    weights = (-_squared_distances(latent, "joint") / (4 * sigma**2)).exp()
    return float(weights.fill_diagonal_(1).sum(1).mean())  # rounding leaves a latent a little away from itself


def pearson(first: Tensor, second: Tensor) -> Tensor:
    """Eq. 2: the Pearson correlation of each row pair of [B, …], in −1…1; 0 where a row is constant."""
    first, second = first.flatten(1), second.flatten(1)
    first = first - first.mean(1, keepdim=True)
    second = second - second.mean(1, keepdim=True)
    norms = (first.square().sum(1) * second.square().sum(1)).sqrt()
    return (first * second).sum(1) / norms.clamp_min(1e-12)


def standardise(latent: Tensor) -> Tensor:
    """Shift latents [B, d] to mean 0 and scale them to a mean variance of 1 over the dimensions.

    Closes the scale hole of eq. 6: encoder × a, decoder ÷ a leaves the error unchanged and the entropy small.
    """
    centred = latent - latent.mean(0)
    return centred / centred.square().mean().sqrt().clamp_min(1e-12)


def _squared_distances(latent: Tensor, kernel: str) -> Tensor:
    if kernel == "per_dimension":
        columns = latent.t()  # [d, B]
        return (columns.unsqueeze(2) - columns.unsqueeze(1)).square()
    centred = latent - latent.mean(0)  # distances stay, the squares that cancel below become small
    squares = centred.square().sum(1)  # [B]
    return (squares.unsqueeze(1) + squares.unsqueeze(0) - 2 * centred @ centred.t()).clamp_min(0)
