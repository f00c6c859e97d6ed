"""The protocol of held-out cars: does a network work on a car that it has never seen?

The cars are dealt into folds. For each fold a network is trained on the cars of the others and on generated drives. A
car of the fold is then calibrated on nothing, on 30 s, or on two minutes of its clean driving, and evaluated on its
remaining drive: once as recorded, for false alarms, and several times with faults of all families rendered into it.
The same is done with the network continued on the car's own drive, the calibrated part with faults in an eighth of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np

from ...edge.bundle import Bundle
from ...edge.errors import InputError
from ...edge.evidence import Thresholds
from ...edge.tubs.tub import Record, Tub
from ...optics import FAMILIES
from ...training.base_network import CONTINUED_WINDOWS
from ...training.settings import PRESETS, TrainSettings
from ..simulation.episodes import Episode, scattered_episodes
from ..simulation.labels import read_labels
from ..simulation.rerendered_drive import driving_s, segment
from .artifact_cache import ArtifactCache, read_json, write_json
from .figures import EpisodeFigures, PassFigures, ScoredDrive, episode_figures, pass_figures, with_rows
from .plan import BANDS, rng_seed, spread_over_passes

CALIBRATIONS_S = {"none": 0.0, "30 s": 30.0, "2 min": 120.0}  # of clean driving
CALIBRATE_MAX_SHARE = 0.5  # of a drive, which leaves the rest to evaluate on
JUDGED_MAX_S = 120.0  # of a drive that faults are rendered into, once for every pass
CLEAN = "clean"
HELD_OUT, CONTINUED = "held out", "continued"  # networks: that of the fold, and the same continued on the car
JUDGED_BANDS = BANDS[:-1]  # a fault of more than 40 % is no question


@dataclass(frozen=True)
class CarsPlan:
    """Parameters of the protocol. The defaults are the full one; `QUICK_CARS` is a smoke test."""

    width: str = "medium"
    windows: int = 45_000  # rendered for each training
    continued_windows: int = CONTINUED_WINDOWS  # rendered to continue on a held-out car; 0 leaves that out
    folds: int = 4
    seeds: int = 2  # of the trainings; the faults are the same
    per_band: int = 1  # episodes of each car, family and coverage band
    false_alarms_per_hour: float = 1.0
    generated_s: float = 120.0  # length of a generated drive
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise InputError for a value that no training can have."""
        if not (self.folds >= 2 and self.seeds >= 1 and self.per_band >= 1):
            raise InputError("held-out cars need at least two folds, a seed and an episode of each kind")
        self.settings(0)

    def require_enough(self, cars: int) -> None:
        """Raise InputError for fewer cars than folds."""
        if cars < self.folds:
            raise InputError(f"{cars} cars cannot be held out in {self.folds} folds; give more TUBs, one for each car")

    def settings(self, seed: int) -> TrainSettings:
        """Return the settings of the training with this number."""
        return replace(
            PRESETS["robust"], width=self.width, windows=self.windows, seed=self.seed + seed, many_cars=True, epochs=1
        )

    def continued_settings(self, seed: int) -> TrainSettings:
        """Return the settings with which the training with this number continues on a held-out car."""
        return replace(self.settings(seed), windows=self.continued_windows, many_cars=False)


QUICK_CARS = CarsPlan(width="narrow", windows=960, continued_windows=960, folds=2, seeds=1, generated_s=60.0)


@dataclass(frozen=True)
class CarFigures:
    """The results of one training on one car that it has not seen, with one calibration."""

    car: str
    seed: int
    network: str  # HELD_OUT or CONTINUED
    calibration: str  # a key of `CALIBRATIONS_S`
    refused: str  # why the calibration was refused; empty: it was not
    episodes: list[EpisodeFigures]
    passes: list[PassFigures]

    @property
    def detector(self) -> str:
        """Name of the bundle."""
        return detector_name(self.car, self.network, self.seed)

    @property
    def thresholds(self) -> str:
        """Name of the thresholds: `uncalibrated` where the calibration was refused."""
        return thresholds_name("none" if self.refused else self.calibration)


def detector_name(car: str, network: str, seed: int) -> str:
    """Return the name of the bundle with a network for a held-out car."""
    return f"{car}-{'continued-' if network == CONTINUED else ''}seed-{seed}"


def thresholds_name(calibration: str) -> str:
    """Return the name of the thresholds by a calibration, one of `CALIBRATIONS_S`."""
    return "uncalibrated" if calibration == "none" else calibration.replace(" ", "")


def run_cars(
    cars: Mapping[str, Tub], generated: Sequence[Tub], plan: CarsPlan, artifacts: ArtifactCache
) -> list[CarFigures]:
    """Run or resume the protocol in the folder of the cache. Raises InputError for fewer cars than folds."""
    plan.require_enough(len(cars))
    results = []
    for seed in range(plan.seeds):
        settings = plan.settings(seed)
        for fold in range(plan.folds):
            held_out = list(cars)[fold :: plan.folds]
            others = [tub for name, tub in cars.items() if name not in held_out]
            net = artifacts.network(f"fold-{fold}-seed-{seed}", [*others, *generated], settings)
            for name in held_out:
                car = _Car(name, cars[name], plan, artifacts)
                bundle = artifacts.bundle_with(net, detector_name(name, HELD_OUT, seed), car.tub, settings)
                results += _evaluate(car, bundle, seed, HELD_OUT)
                if plan.continued_windows:
                    detector = detector_name(name, CONTINUED, seed)
                    continued = artifacts.network(detector, [car.partly_wet()], plan.continued_settings(seed), net)
                    bundle = artifacts.bundle_with(continued, detector, car.tub, settings)
                    results += _evaluate(car, bundle, seed, CONTINUED)
    return results


@dataclass(frozen=True)
class _Car:
    """A held-out car: its drive, and the parts and passes made of it."""

    name: str
    tub: Tub
    plan: CarsPlan
    artifacts: ArtifactCache

    @property
    def calibrate_max_s(self) -> float:
        total_s = float(driving_s(self.tub.records)[-1])
        return min(max(CALIBRATIONS_S.values()), CALIBRATE_MAX_SHARE * total_s)

    def calibration_drive(self, seconds: float) -> Tub:
        return self._written(f"calibrate-{seconds:.0f}", segment(self.tub.records, 0.0, seconds), [])

    def partly_wet(self) -> Tub:
        """Return the part of the drive to calibrate on, as an owner would train on it: an eighth of it is wet."""
        records = segment(self.tub.records, 0.0, self.calibrate_max_s)
        rng = np.random.default_rng(self._seed("training faults"))
        seconds = float(driving_s(records)[-1])
        return self._written("partly-wet", records, scattered_episodes(seconds, rng, tuple(FAMILIES)))

    def clean(self) -> Tub:
        return self._written(CLEAN, segment(self.tub.records, self.calibrate_max_s, np.inf), [])

    def wet(self) -> Iterator[tuple[str, Tub]]:
        records = segment(self.tub.records, self.calibrate_max_s, self.calibrate_max_s + JUDGED_MAX_S)
        rng = np.random.default_rng(self._seed("faults"))
        faults = [
            (family, rng.uniform(*edges))
            for family in FAMILIES
            for edges in pairwise(JUDGED_BANDS)
            for _ in range(self.plan.per_band)
        ]
        passes = spread_over_passes(float(driving_s(records)[-1]), faults, ("sudden",), rng)
        for number, episodes in enumerate(passes):
            yield f"wet-{number}", self._written(f"wet-{number}", records, episodes)

    def _written(self, part: str, records: list[Record], episodes: list[Episode]) -> Tub:
        return self.artifacts.rerendered(f"{self.name}-{part}", self.tub, records, self._seed(part), episodes)

    def _seed(self, part: str) -> int:
        return rng_seed(self.plan.seed, self.name, part)


def _evaluate(car: _Car, bundle: Bundle, seed: int, network: str) -> list[CarFigures]:
    results = []
    for calibration in CALIBRATIONS_S:
        path = car.artifacts.folder / "cars" / f"{bundle.folder.name}-{calibration.replace(' ', '')}.json"
        if (kept := read_json(path)) is None:
            figures = _evaluate_calibrated(car, bundle, seed, network, calibration)
            write_json(path, asdict(figures))
        else:
            figures = CarFigures(**with_rows(kept))
        results.append(figures)
    return results


def _evaluate_calibrated(car: _Car, bundle: Bundle, seed: int, network: str, calibration: str) -> CarFigures:
    artifacts = car.artifacts
    seconds = min(CALIBRATIONS_S[calibration], car.calibrate_max_s)
    thresholds: Thresholds | None = None
    refused = ""
    if seconds:
        drive, file = car.calibration_drive(seconds), f"calibration-{seconds:.0f}.json"
        try:
            thresholds = artifacts.thresholds(bundle, drive, car.plan.false_alarms_per_hour, file)
        except InputError as error:
            refused = str(error)  # as on a car, the monitor goes on uncalibrated
    suffix = thresholds_name("none" if thresholds is None else calibration)

    def scored(part: str, drive: Tub) -> ScoredDrive:
        predictions = artifacts.predictions(f"{part}-{suffix}", bundle, thresholds, drive)
        return ScoredDrive(part, read_labels(drive.folder), predictions, {})

    clean = scored(CLEAN, car.clean())
    wet = [scored(part, drive) for part, drive in car.wet()]
    passes = [pass_figures(each, "") for each in (clean, *wet)]
    return CarFigures(
        car.name, seed, network, calibration, refused, episode_figures(wet, clean, held_out=False), passes
    )
