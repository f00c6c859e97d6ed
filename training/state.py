"""All that the next epoch needs, in one file: the weights, the optimizer and the schedule."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ..edge.errors import InputError, first_line
from .checked_tensors import load_checked, write_tensors
from .schedule import EntropySchedule


def save_state(
    path: Path, model: nn.Module, optimizer: torch.optim.Adam, schedule: EntropySchedule, epoch: int
) -> None:
    """Write what `load_state` reads. Raises InputError where it cannot be written."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, entry in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": tensor for name, tensor in entry.items()}
    progress = {
        "epoch": epoch,
        "ramp": schedule.ramp,
        "best_gain": schedule.best_gain,
        "spread": schedule.latent_scale,
    }
    write_tensors(path, tensors, {"progress": json.dumps(progress)})


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.Adam, schedule: EntropySchedule) -> int:
    """Load the state into model, optimizer and schedule, and return its epoch. Raises InputError if it is damaged."""
    try:
        tensors, metadata = load_checked(path)
        progress = json.loads(metadata["progress"])
        model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        schedule.ramp, schedule.best_gain = progress["ramp"], progress["best_gain"]
        schedule.latent_scale = progress["spread"]
        epoch = int(progress["epoch"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path} is damaged ({first_line(error)}); delete it to train from the start") from None
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("adam."):
            _, number, entry = name.split(".")
            state.setdefault(int(number), {})[entry] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return epoch
