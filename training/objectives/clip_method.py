"""What a method with a network of its own offers to the training loop and to the protocols."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class ClipMethod(nn.Module, ABC):
    """A network that is trained on clips: a frame and those just before it, float [B, T, 80, 80] in 0…1.

    `frames` is T. Where a drive begins, its first frame stands for those that are missing.
    """

    frames: int

    @abstractmethod
    def loss(self, clips: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Return the loss of a batch after a share of the training, 0…1; what is drawn comes from `generator`."""

    @abstractmethod
    def expected(self, clips: Tensor) -> Tensor:
        """Return what the network takes the last frame of each clip to be, [B, 1, 80, 80] in 0…1; its PCC is judged."""

    @abstractmethod
    def scores(self, clips: Tensor) -> Tensor:
        """Return the method's own score of the last frame of each clip [B]; higher is more abnormal."""
