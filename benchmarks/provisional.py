"""Measure a car that nobody calibrated, on held-out cars: `python benchmarks/provisional.py WORK [SEED]`.

WORK is the folder of `mle-uvad evaluate --protocol cars`. Each car first drives what the protocol calibrates on, again
and again if it is short: with a clean lens, with faults in an eighth of the time, or with one fault all along. It goes
on with the drives that are judged, whose faults are others. The last row is a car calibrated on the clean part.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rules import calibrated, calibration_drive, car_figures, held_out_cars, print_header, print_row, silent

from mle_uvad.calibration.provisional import UncalibratedMonitor
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.monitor import Monitor, Reading
from mle_uvad.edge.tubs.replay import DriveMonitor, drive_again
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.evaluation.protocols.cars import CLEAN, CarFigures
from mle_uvad.evaluation.protocols.figures import ScoredDrive
from mle_uvad.evaluation.protocols.plan import rng_seed
from mle_uvad.evaluation.protocols.predictions import predict
from mle_uvad.evaluation.simulation.episodes import Episode
from mle_uvad.evaluation.simulation.labels import read_labels
from mle_uvad.evaluation.simulation.rerendered_drive import driving_s, write_rerendered_drive
from mle_uvad.optics import FAMILIES

COVERAGES = (0.05, 0.2)  # of the fault that is there all along
PAUSE_S = 1.0  # between two drives
BEFORE_S = 150.0  # of driving before the judged drives; provisional thresholds take two minutes


class GoesOn:
    """A monitor that drove before: the clock goes on, and nothing is forgotten where the next drive begins."""

    def __init__(self, monitor: DriveMonitor, drive: Tub) -> None:
        self._monitor, self._t_s = monitor, 0.0
        monitor.restart()
        while self._t_s < BEFORE_S:
            self._ahead_s: float | None = None  # of the clock of the next drive
            for record, frame in drive_again(drive, _nothing):
                self.update(frame, record.timestamp_ms / 1000)
        self._ahead_s = None

    def update(self, frame: Any, t_s: float) -> Reading:
        if self._ahead_s is None:
            self._ahead_s = self._t_s + PAUSE_S - t_s
        self._t_s = t_s + self._ahead_s
        return self._monitor.update(frame, self._t_s)

    def restart(self) -> None:
        """Do nothing: a car goes on."""


class Car:
    """A held-out car: its bundle, the drives that it starts with, and those that are judged."""

    def __init__(self, work: Path, name: str, seed: int) -> None:
        self.name = name
        self.bundle = Bundle.load(work / "bundles" / f"{name}-seed-{seed}")
        tubs = work / "tubs"
        clean = calibration_drive(work, name)
        self.starts = {
            "a clean lens": clean,
            "faults in an eighth of the time": tubs / f"{name}-partly-wet",
            "one fault all along": _with_one_fault(Tub(clean), work / "provisional" / name, name),
        }
        self.judged = [tubs / f"{name}-{CLEAN}", *sorted(tubs.glob(f"{name}-wet-*"))]

    def figures(self, make_monitor: Callable[[], DriveMonitor], seed: int) -> CarFigures:
        """Judge each drive by a monitor of its own."""
        clean, *wet = (
            ScoredDrive(path.name, read_labels(path), predict(Tub(path), make_monitor(), silent), {})
            for path in self.judged
        )
        return car_figures(self.name, seed, "none", clean, wet)

    def any_car(self) -> DriveMonitor:
        return Monitor(open_scorer(self.bundle), None)

    def calibrated(self) -> DriveMonitor:
        scorer = open_scorer(self.bundle)
        try:
            return Monitor(scorer, calibrated(scorer, Tub(self.starts["a clean lens"])))
        except InputError:
            return self.any_car()

    def after(self, start: str) -> Callable[[], DriveMonitor]:
        return lambda: GoesOn(UncalibratedMonitor(self.any_car()), Tub(self.starts[start]))


def _with_one_fault(clean: Tub, folder: Path, name: str) -> Path:
    if not (folder / "manifest.json").is_file():
        rng = np.random.default_rng(rng_seed(0, name, "all along"))
        kind, end_s = str(rng.choice(list(FAMILIES))), float(driving_s(clean.records)[-1])
        episodes = [Episode(0.0, end_s, rng.uniform(*COVERAGES), kind)]
        write_rerendered_drive(folder, clean, clean.records, seed=rng_seed(0, name), episodes=episodes, progress=silent)
    return folder


def _nothing() -> None:
    """Forget nothing."""


def main(work: Path, seed: int) -> None:
    cars = [Car(work, name, seed) for name in held_out_cars(work, seed)]
    rows: dict[str, Callable[[Car], Callable[[], DriveMonitor]]] = {"thresholds for any car": lambda car: car.any_car}
    rows |= {f"provisional, after {start}": lambda car, start=start: car.after(start) for start in cars[0].starts}
    rows["calibrated"] = lambda car: car.calibrated
    print_header("thresholds")
    for name, monitor_of in rows.items():
        print_row(name, [car.figures(monitor_of(car), seed) for car in cars], "none")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
