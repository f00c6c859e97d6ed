"""Training in several processes that share every batch: `torchrun --nproc-per-node N --no-python mle-uvad train …`.

Each process computes the loss of the whole batch from its share of the frames: the entropy is defined over all latents
of a batch, and the mean of the entropies of its parts has another value and another gradient. So the latents are
gathered with their gradients, squared errors and batch statistics are averaged with theirs, and the gradients of all
processes are averaged once more. With the same `--batch-size`, which counts all processes together, the training
equals that of one process up to rounding.

Checked with two processes on CPUs (gloo). Several GPUs (nccl) or machines have not been tried.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from ..edge.errors import InputError

WAIT_MAX = timedelta(hours=24)  # the first decodes the drives meanwhile; if one fails, torchrun ends the others

Rows = TypeVar("Rows", NDArray[np.intp], Tensor)


class Processes:
    """This process among those that train one model. With a single process, the default, nothing is exchanged."""

    def __init__(self, number: int = 0, count: int = 1) -> None:
        self.number, self.count = number, count

    @property
    def first(self) -> bool:
        """Whether this process writes the files and reports progress."""
        return self.number == 0

    def require_even(self, batch_size: int) -> None:
        """Raise InputError unless a batch divides evenly among the processes."""
        if batch_size % self.count:
            raise InputError(f"--batch-size is {batch_size}, which {self.count} processes cannot share evenly")

    def share(self, rows: Rows) -> Rows:
        """Return every count-th row; up to count − 1 rows of a short last batch are dropped."""
        return rows[self.number : len(rows) // self.count * self.count : self.count]

    def gather(self, shares: Tensor) -> Tensor:
        """Gather the rows [B, …] that `share` split, in order, with gradients for the processes they came from."""
        if self.count == 1:
            return shares
        padded = torch.stack(
            [shares if number == self.number else torch.zeros_like(shares) for number in range(self.count)], 1
        )
        return _Sum.apply(padded).flatten(0, 1)

    def mean(self, value: Tensor) -> Tensor:
        """Average over the processes, with gradients for all of them."""
        return value if self.count == 1 else _Sum.apply(value) / self.count

    def average_gradients(self, model: nn.Module) -> None:
        """Replace each gradient by its mean over the processes."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, mean in zip(gradients, (flat / self.count).split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def join_statistics(self, model: nn.Module) -> None:
        """Make the batch normalisations of a model use the whole batch. Names and values of its state stay."""
        if self.count == 1:
            return
        for parent in list(model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.BatchNorm2d):
                    setattr(parent, name, _JointBatchNorm(child, self))

    @contextmanager
    def rank_zero_first(self) -> Iterator[None]:
        """Run the block in the first process, then in the others, which find the files that it made."""
        if not self.first:
            dist.barrier()
        yield
        if self.first and self.count > 1:
            dist.barrier()


class _Sum(torch.autograd.Function):
    """The sum over the processes. Its gradient is the sum of theirs; torch.distributed.all_reduce alone has none."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class _JointBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the mean and variance over all processes, which have equal shares.

    torch's own SyncBatchNorm does the same on GPUs alone.
    """

    def __init__(self, single: nn.BatchNorm2d, processes: Processes) -> None:
        super().__init__(single.num_features, single.eps, single.momentum)
        self.load_state_dict(single.state_dict())
        self._processes = processes

    def forward(self, maps: Tensor) -> Tensor:
        """Normalise maps [B/count, C, H, W] over the whole batch [B, C, H, W] in training."""
        if not self.training:
            return super().forward(maps)
        exact = maps.to(self.weight.dtype)  # they may come in bfloat16
        mean = self._processes.mean(exact.mean((0, 2, 3)))  # [C]
        centred = exact - mean[:, None, None]
        variance = self._processes.mean(centred.square().mean((0, 2, 3)))
        assert self.running_mean is not None  # it tracks them
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        with torch.no_grad():
            count = self._processes.count * maps.numel() / self.num_features
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
            self.num_batches_tracked.add_(1)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(maps.dtype)


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Join the processes that torchrun started, on `cpu` or a GPU each; without torchrun, this one alone."""
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        yield Processes()
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=WAIT_MAX)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
