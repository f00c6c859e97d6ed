"""The terms that an objective adds to the squared error, or puts in its place, for one batch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .model import Autoencoder
from .objectives.constriction import inside_sphere, on_sphere
from .objectives.l2_latent import latent_variance
from .objectives.mle import squared_error
from .objectives.names import SPR
from .objectives.reference import REFERENCE_FRAMES, reference_loss
from .objectives.spr import refined_error
from .settings import TrainSettings


@dataclass(frozen=True)
class References:
    """The latents that the objective `reference` pulls to: of frames drawn once, encoded anew for each epoch."""

    numbers: Tensor  # [M] of their frames
    latents: Tensor  # [M, latent]


def reference_numbers(frames: int, seed: int) -> np.ndarray:
    """Draw the numbers of the reference frames, ascending: the same ones in every epoch."""
    drawn = np.random.default_rng((seed, REFERENCE_FRAMES)).permutation(frames)[:REFERENCE_FRAMES]
    return np.sort(drawn)


def reconstruction_loss(x: Tensor, reconstruction: Tensor, settings: TrainSettings, progress: float) -> Tensor:
    """Return the error of frames [B, 1, 80, 80] by the objective; `progress` is the share of the training, 0…1."""
    if settings.objective not in SPR:
        return squared_error(x, reconstruction, settings.squared_error)
    pixels = x[0].numel() if settings.squared_error == "mean" else 1
    return refined_error(x, reconstruction, progress, SPR[settings.objective]) / pixels


def latent_term(objective: str, z: Tensor, numbers: Tensor, references: References | None) -> Tensor:
    """Return the term of an objective other than `mle` on the latents [B, latent] of the frames `numbers` [B]."""
    if objective == "l2_latent":
        return latent_variance(z)
    if objective == "constriction_inside":
        return inside_sphere(z)
    if objective == "constriction_on":
        return on_sphere(z)
    assert references is not None
    return reference_loss(z, numbers, references.latents, references.numbers)


def encode_references(model: Autoencoder, frames: Tensor, numbers: np.ndarray) -> References:
    """Encode the reference frames [M, 1, 80, 80] in evaluation mode."""
    model.eval()
    with torch.no_grad():
        latents = model.encode(frames)
    return References(torch.from_numpy(numbers).to(frames.device), latents)
