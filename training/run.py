"""The run folder: weights and state as safetensors, facts as JSON, one line of metrics an epoch. No pickle."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ..edge import strict_json
from ..edge.atomic_write import atomic_write, is_draft
from ..edge.errors import InputError, first_line
from ..edge.read_file import read_file
from .cache import FrameCache
from .checked_tensors import load_checked, write_tensors
from .fit import PassMetrics
from .metrics import EpochMetrics
from .model import Autoencoder
from .networks import make_network
from .objectives.clip_method import ClipMethod
from .objectives.gcl import Gcl
from .obscuration import ObscurationNet
from .schedule import EntropySchedule
from .settings import TrainSettings
from .state import load_state, save_state

SCHEMA = 1
FACTS_BYTES_MAX = 2**20


class RunFolder:
    """Reads and writes the files of one run. Files are replaced atomically, so a power cut leaves the last epoch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts_file = folder / "run.json"
        self.weights_file = folder / "weights.safetensors"
        self.state_file = folder / "state.safetensors"
        self.samples_file = folder / "samples.safetensors"
        self.metrics_file = folder / "metrics.jsonl"
        self.obscuration_file = folder / "obscuration.safetensors"
        self.passes_file = folder / "obscuration.jsonl"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder and keep other trainings out while the block runs; drafts of killed ones are deleted.

        The lock is the system's, on the folder itself: it ends with the process, however that ends. Raises InputError
        if another training has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"another training writes {self.folder}; wait for its end, or give another folder to --out"
                ) from None
            for path in self.folder.iterdir():
                if is_draft(path):
                    path.unlink()
            try:
                yield
            finally:
                with suppress(OSError):  # it is refused unless nothing came of the training
                    self.folder.rmdir()
        finally:
            os.close(descriptor)

    def require_same(self, settings: TrainSettings) -> None:
        """Raise InputError if the folder holds anything but a run with these settings, finished or not."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is a file; give a new folder to --out")
        if self.facts_file.exists():
            if differences := settings.differences(settings_from(self.facts())):
                raise InputError(f"{self.folder} is another run ({'; '.join(differences)}); give a new --out")
        elif self.folder.is_dir() and any(not is_draft(path) for path in self.folder.iterdir()):
            raise InputError(f"{self.folder} holds other files and no run; give a new folder to --out")

    def start(self, settings: TrainSettings, cache: FrameCache, tubs: list[str]) -> None:
        """Create the folder, or check that it holds this same run. Raises InputError if it holds another."""
        self.require_same(settings)
        if self.facts_file.exists() and self.facts()["data_fingerprint"] != cache.fingerprint:
            raise InputError(f"{self.folder} is another run (other frames); give a new --out")
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.facts_file.exists():
            facts = {
                "schema": SCHEMA,
                "settings": asdict(settings),
                "tubs": tubs,  # for people; nothing reads them again
                "frames": len(cache),
                "data_fingerprint": cache.fingerprint,
                "versions": {name: version(name) for name in ("mle_uvad", "torch", "numpy")},
            }
            with atomic_write(self.facts_file) as draft:
                draft.write_text(json.dumps(facts, indent=2))
        if not self.samples_file.exists():
            write_tensors(self.samples_file, {"frames": torch.from_numpy(cache.samples)}, {})

    def facts(self) -> dict[str, Any]:
        """Return run.json as a dict. Raises InputError if there is no run here."""
        if not self.facts_file.is_file():
            raise InputError(f"no run in {self.folder}: run.json is missing; train one with `mle-uvad train TUB`")
        try:
            facts = strict_json.parse(read_file(self.facts_file, FACTS_BYTES_MAX, follow=True))
            if facts["schema"] != SCHEMA:
                raise InputError(f"{self.facts_file} has schema {facts['schema']}, this version reads {SCHEMA}")
            settings_from(facts)
            _ = facts["data_fingerprint"], facts["frames"], facts["versions"]  # the export reads them
        except InputError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(self.facts_file, error) from None
        return facts

    def samples(self) -> Tensor:
        """Return sampled camera frames uint8 [S, H, W, 3] of the training drives."""
        try:
            return load_checked(self.samples_file)[0]["frames"]
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise _damaged(self.samples_file, error) from None

    def save_epoch(
        self, model: nn.Module, optimizer: torch.optim.Adam, schedule: EntropySchedule, metrics: EpochMetrics
    ) -> None:
        """Append the line of metrics, then save all that the next epoch needs in one file.

        In this order an interruption leaves at most one line too many, which `resume` drops.
        """
        with self.metrics_file.open("a") as file:
            file.write(json.dumps(asdict(metrics)) + "\n")
        save_state(self.state_file, model, optimizer, schedule, metrics.epoch)

    def resume(self, model: nn.Module, optimizer: torch.optim.Adam, schedule: EntropySchedule) -> int:
        """Load what `save_epoch` saved and return the number of finished epochs, 0 for a fresh run."""
        if not self.state_file.exists():
            self.metrics_file.unlink(missing_ok=True)
            return 0
        epochs_done = load_state(self.state_file, model, optimizer, schedule)
        text = self.metrics_file.read_text() if self.metrics_file.exists() else ""
        with atomic_write(self.metrics_file) as draft:
            draft.write_text("".join(text.splitlines(keepends=True)[:epochs_done]))
        return epochs_done

    def finish(self, model: nn.Module) -> None:
        """Write the weights of the autoencoder, or of the network that the objective has in its place."""
        write_tensors(self.weights_file, model.state_dict(), {})

    def finish_obscuration(self, net: ObscurationNet, reference: Tensor, passes: list[PassMetrics]) -> None:
        """Write the obscuration network, which marks the run as finished."""
        with atomic_write(self.passes_file) as draft:
            draft.write_text("".join(json.dumps(asdict(metrics)) + "\n" for metrics in passes))
        write_tensors(self.obscuration_file, {**net.state_dict(), "reference": reference}, {})

    def load_obscuration(self) -> tuple[ObscurationNet, Tensor]:
        """Load the obscuration network, in evaluation mode, and its reference [2, 20, 10, 10]. Raises InputError."""
        net = ObscurationNet(settings_from(self.facts()).width)
        if not self.obscuration_file.exists():
            raise InputError(f"run {self.folder} is not finished; give the same `mle-uvad train` command again")
        try:
            tensors, _ = load_checked(self.obscuration_file)
            reference = tensors.pop("reference")
            net.load_state_dict({_current_name(name): tensor for name, tensor in tensors.items()})
        except (SafetensorError, OSError, KeyError, RuntimeError, ValueError) as error:
            raise _damaged(self.obscuration_file, error) from None
        return net.eval(), reference

    def load_model(self) -> Autoencoder:
        """Load the trained autoencoder, in evaluation mode: for the objective gcl its generator.

        Raises InputError for an unfinished or damaged run, and for an objective whose network no car can run.
        """
        model = self.load_network()
        if isinstance(model, Gcl):
            assert isinstance(model.autoencoder, Autoencoder)
            return model.autoencoder
        if isinstance(model, ClipMethod):
            raise InputError(
                f"{self.folder} is a network that looks at {model.frames} frames at once and cannot run on a car; judge"
                " it with `mle-uvad evaluate --protocol paper --methods`"
            )
        return model

    def load_network(self) -> Autoencoder | ClipMethod:
        """Load the trained network of any objective, in evaluation mode. Raises InputError as `load_model`."""
        settings = settings_from(self.facts())
        if not self.weights_file.exists():
            raise InputError(f"run {self.folder} is not finished; give the same `mle-uvad train` command again")
        model = make_network(settings)
        try:
            model.load_state_dict(load_checked(self.weights_file)[0])
        except (SafetensorError, OSError, RuntimeError, ValueError) as error:
            raise _damaged(self.weights_file, error) from None
        return model.eval()


def settings_from(facts: dict[str, Any]) -> TrainSettings:
    """Read the settings of a run.json. Raises KeyError or TypeError if some are missing or unknown."""
    kept = {"many_cars": False, "base": "", **facts["settings"]}  # older runs knew one car and no base network
    if set(kept) != {field.name for field in fields(TrainSettings)}:
        raise KeyError("settings")
    return TrainSettings(**kept)


def _current_name(name: str) -> str:
    """Map the name that older runs gave to a parameter."""
    return name.replace("answer.", "head.", 1) if name.startswith("answer.") else name


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is damaged ({first_line(error)}); delete the run's folder and train it again")
