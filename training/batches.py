"""Batches of a drive's frames in the order of an epoch, single or as clips, and the step that follows from one."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..edge.errors import InputError
from .cache import FrameCache
from .settings import TrainSettings


def epoch_batches(count: int, settings: TrainSettings, epoch: int) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of the frames of each batch, ascending: each frame once, drawn by seed and epoch."""
    order = np.random.default_rng((settings.seed, epoch)).permutation(count)
    for start in range(0, count, settings.batch_size):
        yield np.sort(order[start : start + settings.batch_size])


def epoch_generator(settings: TrainSettings, epoch: int, device: str = "cpu") -> torch.Generator:
    """Return the generator of what is drawn in an epoch: a resumed run goes on exactly as an uninterrupted one."""
    return torch.Generator(device).manual_seed(settings.seed * 100_003 + epoch)


def to_batch(frames: NDArray[np.uint8], device: str) -> Tensor:
    """Grey frames uint8 [B, 80, 80] to float [B, 1, 80, 80] in 0…1 on the device."""
    return torch.from_numpy(frames).to(device).unsqueeze(1).to(torch.get_default_dtype()) / 255


def take_clips(cache: FrameCache, numbers: NDArray[np.intp], frames: int, device: str) -> Tensor:
    """Read the clips that end with these frames, float [B, T, 80, 80] in 0…1; none reaches over a gap."""
    wanted = np.maximum(numbers[:, None] + np.arange(1 - frames, 1), cache.starts[numbers][:, None])  # [B, T]
    unique, places = np.unique(wanted, return_inverse=True)
    taken = cache.take(unique)[places.reshape(wanted.shape)]
    return torch.from_numpy(taken).to(device).to(torch.get_default_dtype()) / 255


def backward(loss: Tensor, optimizer: torch.optim.Optimizer, epoch: int, batch: int) -> float:
    """Put the gradients of a loss in place of the former ones, and return its value.

    Raises InputError for a loss that is no longer finite.
    """
    value = loss.item()
    if not math.isfinite(value):
        raise InputError(f"the loss became {value} in epoch {epoch}, batch {batch}; lower --lr or raise --sigma")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    return value
