"""The product protocol on one drive: train on a partly wet part, calibrate on a clean one, evaluate on a third.

The training part is unlabelled, and one eighth of it is wet. The judged part is replayed several times, each time with
other faults, and once with none. A detector trained with every family is evaluated on all of them. For each held-out
family another detector is trained, without that family in its drive or its rendered faults, and evaluated on it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...edge.bundle import Bundle
from ...edge.tubs.tub import Record, Tub
from ..simulation.episodes import Episode
from ..simulation.labels import read_labels
from ..simulation.rerendered_drive import driving_s
from .artifact_cache import ArtifactCache, read_json, write_json
from .baselines import Baselines, fit_baselines, score_baselines
from .figures import EpisodeFigures, PassFigures, ScoredDrive, episode_figures, pass_figures, with_rows
from .plan import Parts, Plan, cut, judged_passes, training_episodes
from .predictions import load_arrays, save_arrays

CLEAN = "clean"  # the judged part without a fault
ALL = "all"  # the detector trained with every family
VANILLA = "vanilla autoencoder"
RESULT = "product.json"


@dataclass(frozen=True)
class Product:
    """The results of the protocol on one drive."""

    train_s: float
    calibrate_s: float
    judge_s: float
    episodes: list[EpisodeFigures]
    passes: list[PassFigures]


@dataclass(frozen=True)
class _Drive:
    """A recorded drive, its parts and its artifacts."""

    tub: Tub
    parts: Parts
    plan: Plan
    artifacts: ArtifactCache

    def seed(self, name: str) -> int:
        return self.plan.rng_seed(self.artifacts.folder.name, name)

    def written(self, name: str, records: list[Record], episodes: list[Episode]) -> Tub:
        return self.artifacts.rerendered(name, self.tub, records, self.seed(name), episodes)

    def training(self, held_out: str | None) -> Tub:
        rng = np.random.default_rng(self.seed("train"))
        episodes = training_episodes(_duration_s(self.parts.train), self.plan, held_out, rng)
        return self.written(f"train-{_detector(held_out)}", self.parts.train, episodes)

    def passes(self, family: str) -> dict[str, Tub]:
        rng = np.random.default_rng(self.seed(family))
        passes = judged_passes(_duration_s(self.parts.judge), family, self.plan, rng)
        names = [f"{family}-{number}" for number in range(len(passes))]
        return {name: self.written(name, self.parts.judge, chosen) for name, chosen in zip(names, passes, strict=True)}


@dataclass(frozen=True)
class _Baselines:
    """The baselines, fitted on the same parts of the drive."""

    artifacts: ArtifactCache
    training: Tub
    calibrate: Tub
    vanilla: Bundle

    @cached_property
    def fitted(self) -> Baselines:
        return fit_baselines(self.training, self.calibrate)

    def scores(self, name: str, passed: Tub) -> dict[str, NDArray[np.float64]]:
        path = self.artifacts.folder / "baselines" / f"{name}.npz"
        if not path.is_file():
            with self.artifacts.display.bar(f"baselines on {name}") as progress:
                save_arrays(path, score_baselines(self.fitted, passed, progress))
        return {**load_arrays(path), VANILLA: -self.artifacts.predictions(name, self.vanilla, None, passed).pccs}


def run_product(tub: Tub, plan: Plan, artifacts: ArtifactCache) -> Product:
    """Run or resume the protocol in the folder of the cache. Raises InputError for a drive that is too short."""
    path = artifacts.folder / RESULT
    if (kept := read_json(path)) is not None:
        return product_from(kept)
    drive = _Drive(tub, cut(tub.records, plan), plan, artifacts)
    calibrate = drive.written("calibrate", drive.parts.calibrate, [])
    clean = drive.written(CLEAN, drive.parts.judge, [])
    training = drive.training(None)
    vanilla = artifacts.bundle("vanilla", training, plan.paper_settings("vanilla", plan.seed))
    baselines = _Baselines(artifacts, training, calibrate, vanilla)
    episodes, passes = _judged(drive, None, calibrate, clean, baselines)
    for family in plan.held_out:
        more_episodes, more_passes = _judged(drive, family, calibrate, clean, None)
        episodes, passes = episodes + more_episodes, passes + more_passes
    train_s, calibrate_s, judge_s = map(_duration_s, (drive.parts.train, drive.parts.calibrate, drive.parts.judge))
    product = Product(train_s, calibrate_s, judge_s, episodes, passes)
    write_json(path, asdict(product))
    return product


def product_from(kept: dict) -> Product:
    """Rebuild a Product from its JSON."""
    return Product(**with_rows(kept))


def _judged(
    drive: _Drive, held_out: str | None, calibrate: Tub, clean: Tub, baselines: _Baselines | None
) -> tuple[list[EpisodeFigures], list[PassFigures]]:
    """Train, calibrate and evaluate one detector, on the held-out family or on all."""
    plan, artifacts = drive.plan, drive.artifacts
    bundle = artifacts.bundle(_detector(held_out), drive.training(held_out), plan.settings(held_out))
    thresholds = artifacts.thresholds(bundle, calibrate, plan.false_alarms_per_hour)

    def score(name: str, passed: Tub) -> ScoredDrive:
        predictions = artifacts.predictions(name, bundle, thresholds, passed)
        return ScoredDrive(
            name, read_labels(passed.folder), predictions, baselines.scores(name, passed) if baselines else {}
        )

    clean_scored = score(CLEAN, clean)
    episodes, passes = [], [pass_figures(clean_scored, held_out or "")]
    for family in [held_out] if held_out else plan.families:
        wet = [score(name, passed) for name, passed in drive.passes(family).items()]
        episodes += episode_figures(wet, clean_scored, held_out is not None)
        passes += [pass_figures(scored, held_out or "") for scored in wet]
    return episodes, passes


def _detector(held_out: str | None) -> str:
    return f"without-{held_out}" if held_out else ALL


def _duration_s(records: list[Record]) -> float:
    return float(driving_s(records)[-1])
