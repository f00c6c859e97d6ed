"""What both protocols do on the way, each step once: what a folder already holds is not made again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...calibration import Calibration, calibrate_on_tub
from ...edge.atomic_write import atomic_write
from ...edge.backends import open_scorer
from ...edge.bundle import CALIBRATION_FILE, FACTS_FILE, Bundle
from ...edge.evidence import Thresholds
from ...edge.monitor import Monitor
from ...edge.tubs.tub import Tub
from ...export.bundle import export_bundle
from ...training.cache import Progress
from ...training.settings import TrainSettings
from ...training.train import pick_device, train_tubs
from ..simulation.labels import Label, read_labels
from .display import Display
from .predictions import Predictions, observe

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ArtifactCache:
    """Makes drives, bundles and observations inside one folder."""

    folder: Path
    display: Display

    def drive(self, name: str, write: Callable[[Path, Progress], object]) -> Tub:
        """The drive `name`; `write` makes it in the folder it is given."""
        folder = self.folder / "tubs" / name
        if not (folder / MANIFEST).is_file():
            shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
            with self.display.bar(f"drive {name}") as progress:
                write(folder, progress)
        return Tub(folder)

    def bundle(self, name: str, training: Tub, settings: TrainSettings) -> Bundle:
        """The bundle of a run on a drive, trained and exported. The run goes on where it was interrupted."""
        folder, run = self.folder / "bundles" / name, self.run_folder(name)
        if not (folder / FACTS_FILE).is_file():
            self.display.step(f"training {name} on {len(training.records)} frames")
            with self.display.training(settings.epochs) as callback:
                train_tubs([training], settings, run, pick_device("auto"), callback)
            export_bundle(run, folder, "onnx")
        return Bundle.load(folder)

    def run_folder(self, name: str) -> Path:
        """Where the training of a bundle left its weights and metrics."""
        return self.folder / "runs" / name

    def thresholds(self, bundle: Bundle, clean: Tub, false_alarms_per_hour: float) -> Thresholds:
        """The limits of a bundle on a clean drive, as `mle-uvad calibrate` makes them."""
        path, scorer = bundle.folder / CALIBRATION_FILE, open_scorer(bundle)
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
        """What the bundle says of a drive."""
        path = self.folder / "observed" / bundle.folder.name / f"{name}.npz"
        if not path.is_file():
            with self.display.bar(f"{bundle.folder.name} watches {name}") as progress:
                observe(drive, Monitor(open_scorer(bundle), thresholds), progress).save(path)
        return Predictions.load(path)

    def kept(self, detector: str, name: str) -> tuple[Tub, list[Label], Predictions]:
        """A drive of this folder, its labels, and what a detector said of it before."""
        folder = self.folder / "tubs" / name
        return Tub(folder), read_labels(folder), Predictions.load(self.folder / "observed" / detector / f"{name}.npz")


def read_json(path: Path) -> Any:
    """What `write_json` kept; None where there is nothing yet."""
    return json.loads(path.read_text()) if path.is_file() else None


def write_json(path: Path, content: Any) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        draft.write_text(json.dumps(content, indent=1))
