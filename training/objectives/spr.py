"""Localisation-based reconstruction with self-paced refinement (LBR-SPR, Yu et al., CVPR 2022), on tiles.

Self-paced learning turned around: as the training goes on, samples with a large loss get less weight and then none, so
that anomalies drop out of what is learnt. The paper localises by detected objects. A lens has none, so the samples
are 4×4 tiles of a frame. Its mean and deviation are replaced by the median and the MAD, which tolerate a batch with
many wet frames; its warm-up, and the step at which the schedule closes, are shares of the training. The losses come
from the same pass as the gradient, not from a second one in evaluation mode.
"""

import torch
from torch import Tensor

TILES = 4  # along a side
WARM_UP = 1 / 6  # of the training: 5 epochs of 30 in the paper
CLOSED_AT = 0.6  # of the rest: from here on, only tiles within one deviation of the median keep a weight
OPEN, CLOSED = 4.0, 1.0  # deviations above the median
MAD_TO_DEVIATION = 1.4826


def tile_errors(frames: Tensor, reconstructions: Tensor) -> Tensor:
    """Return the squared error, summed over the pixels of each tile: [B, 16] of frames [B, 1, 80, 80]."""
    error = (frames - reconstructions).square().squeeze(1)  # [B, 80, 80]
    return error.unflatten(2, (TILES, -1)).unflatten(1, (TILES, -1)).sum((2, 4)).flatten(1)


def deviations_kept(progress: float) -> float:
    """Return how many deviations above the median a tile still has a weight, after a share of the training, 0…1.

    Infinite during the warm-up, then from 4 down to 1.
    """
    if progress < WARM_UP:
        return torch.inf
    refined = (progress - WARM_UP) / (1 - WARM_UP)
    return max(CLOSED, OPEN - (OPEN - CLOSED) * refined / CLOSED_AT)


def tile_weights(errors: Tensor, deviations: float, kind: str) -> Tensor:
    """Return the weight, 0…1, of each tile from the errors [B, 16]; they get no gradient.

    With λ₁ = median + deviation and λ₂ = median + `deviations` · deviation, a tile of loss l weighs

    - hard: 1 below λ₂, else 0
    - linear: 1 − l/λ₂, at least 0
    - huber: 1 below λ₂, else λ₂/l
    - mixture: 1 up to λ₁, 0 from λ₂ on, between them λ₁ (λ₂ − l) / (l (λ₂ − λ₁))
    """
    losses = errors.detach()
    if deviations == torch.inf:
        return torch.ones_like(losses)
    median = losses.median()
    deviation = MAD_TO_DEVIATION * (losses - median).abs().median()
    first, last = median + deviation, median + deviations * deviation
    if kind == "hard":
        return (losses < last).to(losses.dtype)
    if kind == "linear":
        return (1 - losses / last.clamp_min(1e-12)).clamp_min(0)
    if kind == "huber":
        return (last / losses.clamp_min(1e-12)).clamp_max(1)
    between = first * (last - losses) / (losses * (last - first)).clamp_min(1e-12)
    return torch.where(losses <= first, 1.0, torch.where(losses >= last, 0.0, between.clamp(0, 1)))


def refined_error(frames: Tensor, reconstructions: Tensor, progress: float, kind: str) -> Tensor:
    """Return (1/B) Σ_i Σ_tiles w · error: by the number of frames, not by the sum of the weights, as in the paper."""
    errors = tile_errors(frames, reconstructions)
    return (tile_weights(errors, deviations_kept(progress), kind) * errors).sum(1).mean()


def worst_tile(errors: Tensor) -> Tensor:
    """Return the score of frames [N] from the errors [N, 16] of a drive: the largest, in deviations from their mean.

    The paper's moving average over ten frames is left to the judge, who smooths all methods alike.
    """
    return ((errors - errors.mean()) / errors.std().clamp_min(1e-12)).amax(1)
