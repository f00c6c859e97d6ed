"""The artifacts of an evaluation: drives, bundles, thresholds and predictions, each made once and then reused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from ...calibration import Calibration, calibrate_on_tub
from ...edge.atomic_write import atomic_write
from ...edge.backends import open_scorer
from ...edge.bundle import CALIBRATION_FILE, FACTS_FILE, Bundle
from ...edge.evidence import Thresholds
from ...edge.monitor import Monitor
from ...edge.reference import unknown_reference
from ...edge.tubs.tub import Record, Tub
from ...export.bundle import export_bundle
from ...training.cache import build_cache
from ...training.checked_tensors import load_checked, save_checked
from ...training.fit import fit_obscuration
from ...training.networks import make_model
from ...training.obscuration import ObscurationNet
from ...training.run import RunFolder
from ...training.settings import TrainSettings
from ...training.shards import Progress
from ...training.train import CACHE_FOLDER, pick_device, train_tubs
from ..simulation.episodes import Episode
from ..simulation.labels import Label, read_labels
from ..simulation.rerendered_drive import write_rerendered_drive
from .display import Display
from .predictions import Predictions, predict

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ArtifactCache:
    """Creates drives, bundles and predictions in one folder, and reuses those that are there."""

    folder: Path
    display: Display

    def drive(self, name: str, write: Callable[[Path, Progress], object]) -> Tub:
        """Return the drive `name`; if it is missing, `write` creates it."""
        folder = self.folder / "tubs" / name
        if not (folder / MANIFEST).is_file():
            shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
            with self.display.bar(f"drive {name}") as progress:
                write(folder, progress)
        return Tub(folder)

    def rerendered(self, name: str, tub: Tub, records: Sequence[Record], seed: int, episodes: Sequence[Episode]) -> Tub:
        """Return the drive `name`: these records of a tub, with episodes rendered into them."""

        def write(folder: Path, progress: Progress) -> None:
            write_rerendered_drive(folder, tub, records, seed=seed, episodes=episodes, progress=progress)

        return self.drive(name, write)

    def bundle(self, name: str, training: Tub, settings: TrainSettings) -> Bundle:
        """Return the bundle `name`, trained on a drive and exported. An interrupted training is resumed."""
        folder, run = self.folder / "bundles" / name, self.run_folder(name)
        if not (folder / FACTS_FILE).is_file():
            self.display.step(f"training {name} on {len(training.records)} frames")
            with self.display.training(settings.epochs) as callback:
                train_tubs([training], settings, run, pick_device("auto"), callback)
            export_bundle(run, folder, "onnx")
        return Bundle.load(folder)

    def network(
        self, name: str, cars: Sequence[Tub], settings: TrainSettings, start: ObscurationNet | None = None
    ) -> ObscurationNet:
        """Return the obscuration network `name`, trained on these cars, from `start` on if it is given."""
        path, net = self.folder / "networks" / f"{name}.safetensors", ObscurationNet(settings.width)
        if not path.is_file():
            self.display.step(f"training {name} on {len(cars)} drives")
            with self.display.training(settings.epochs) as callback:
                caches = [build_cache([car], self.folder / CACHE_FOLDER, callback.decoded) for car in cars]
                trained, _ = fit_obscuration(caches, settings, pick_device("auto"), callback, start)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as draft:
                save_checked(draft, trained.state_dict(), {})
        net.load_state_dict(load_checked(path)[0])
        return net.eval()

    def bundle_with(self, net: ObscurationNet, name: str, car: Tub, settings: TrainSettings) -> Bundle:
        """Return the bundle `name` with this network, for the frames of a car. Its autoencoder is untrained."""
        folder, run = self.folder / "bundles" / name, RunFolder(self.run_folder(name))
        if not (folder / FACTS_FILE).is_file():
            with self.display.bar(f"exporting {name}") as progress:
                cache = build_cache([car], self.folder / CACHE_FOLDER, progress)
                run.start(settings, cache, [str(car.folder)])
                run.finish(make_model(settings))
                run.finish_obscuration(net, torch.from_numpy(unknown_reference()), [])
                export_bundle(run.folder, folder, "onnx")
        return Bundle.load(folder)

    def run_folder(self, name: str) -> Path:
        """Return the run folder of a bundle, with its weights and metrics."""
        return self.folder / "runs" / name

    def thresholds(
        self, bundle: Bundle, clean: Tub, false_alarms_per_hour: float, file: str = CALIBRATION_FILE
    ) -> Thresholds:
        """Return the thresholds of a bundle on a clean drive, as `mle-uvad calibrate` makes them, kept in its folder.

        Raises InputError for a drive that cannot be used.
        """
        path, scorer = bundle.folder / file, open_scorer(bundle)
        if not path.is_file():
            with self.display.bar(f"calibrating {bundle.folder.name}") as progress:
                calibration = calibrate_on_tub(
                    scorer,
                    clean,
                    rule="clean",
                    false_alarms_per_hour=false_alarms_per_hour,
                    now=datetime.now(timezone.utc),
                    progress=progress,
                )
            calibration.save(path)
        return Calibration.load_for(path, bundle, scorer.backend.name).thresholds

    def predictions(self, name: str, bundle: Bundle, thresholds: Thresholds | None, drive: Tub) -> Predictions:
        """Return the predictions of a bundle for a drive."""
        path = self.folder / "observed" / bundle.folder.name / f"{name}.npz"
        if not path.is_file():
            with self.display.bar(f"{bundle.folder.name} on {name}") as progress:
                predict(drive, Monitor(open_scorer(bundle), thresholds), progress).save(path)
        return Predictions.load(path)

    def kept(self, detector: str, drive: str, stored: str | None = None) -> tuple[Tub, list[Label], Predictions]:
        """Load a drive of this folder, its labels and the predictions of a detector, `stored` under the drive's name
        or another.
        """
        folder = self.folder / "tubs" / drive
        predictions = Predictions.load(self.folder / "observed" / detector / f"{stored or drive}.npz")
        return Tub(folder), read_labels(folder), predictions


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote; None if there is no file."""
    return json.loads(path.read_text()) if path.is_file() else None


def write_json(path: Path, content: Any) -> None:
    """Write the file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        draft.write_text(json.dumps(content, indent=1))
