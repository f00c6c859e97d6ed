"""Tensors in a file with the hash of their bytes: a bit that flipped in a weight is found, not trained on."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..edge.atomic_write import atomic_write
from ..edge.errors import InputError, first_line

DIGEST = "blake2b"  # in the metadata


def save_checked(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors and metadata with their hash. Raises SafetensorError."""
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(whole, path, metadata | {DIGEST: _digest(whole, metadata)})


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write them completely or not at all. Raises InputError where that fails."""
    with atomic_write(path) as draft:
        try:
            save_checked(draft, tensors, metadata)
        except SafetensorError as error:  # a full disk, say
            raise InputError(f"{path} cannot be written ({first_line(error)}); the epochs before it are kept") from None


def load_checked(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what `save_checked` wrote, or a file of an older version, which has no hash.

    Raises SafetensorError, OSError, and ValueError where the hash is another.
    """
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata() or {})
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 not a dict
    found = metadata.pop(DIGEST, None)
    if found is not None and found != _digest(tensors, metadata):
        raise ValueError("its bytes are not those that were written")
    return tensors, metadata


def _digest(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    hashed.update(repr(sorted(metadata.items())).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hashed.hexdigest()
