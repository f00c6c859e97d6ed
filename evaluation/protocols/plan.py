"""The plan of an evaluation: the parts of a drive, the episodes in them, and the trainings."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle, pairwise

import numpy as np

from ...calibration.blocks import BLOCK_S, BLOCKS_MIN
from ...edge.driving import is_gap
from ...edge.ema import WARM_UP_S
from ...edge.errors import InputError
from ...edge.evidence import SLOW_RISE_S
from ...edge.tubs.tub import Record
from ...optics import FAMILIES, TIME_PROFILES
from ...training.settings import PRESETS, TrainSettings
from ..simulation.episodes import Episode, scattered_episodes
from ..simulation.rerendered_drive import driving_s, segment

BANDS = (0.02, 0.05, 0.10, 0.20, 0.40, 0.60)  # edges of the evaluated coverage bands
BAND_NAMES = ("2–5 %", "5–10 %", "10–20 %", "20–40 %", "40–60 %")
LEAD_S = 3.0  # at the start of a judged pass, for the averages to warm up
EPISODE_S, CLEAR_S = 8.0, 7.0  # of a judged pass: a fault, then time to clear and to stay clean
EPISODE_MIN_S = 3.0
CALIBRATE_MIN_S, CALIBRATE_SHARE = 36.0, 1 / 3  # minimum for calibration; share of the drive
JUDGE_SHARE = 0.5  # of the rest

PAPER_PRESETS = {**PRESETS, "vanilla": replace(PRESETS["paper"], objective="mse")}


def settings_without(family: str | None, width: str, epochs: int, windows: int, seed: int) -> TrainSettings:
    """Return the settings of the detector; if `family` is given, training does not render it.

    The evidence does not use the autoencoder, so with a family held out it is trained for one epoch only.
    """
    epochs = 1 if family else epochs
    return replace(PRESETS["robust"], width=width, epochs=epochs, windows=windows, seed=seed, held_out=family or "")


def rng_seed(seed: int, *names: str) -> int:
    """Return the seed for a drive, part or pass by its names, so that no two share noise and faults."""
    return zlib.crc32("/".join((str(seed), *names)).encode())


@dataclass(frozen=True)
class Plan:
    """Parameters of an evaluation. The defaults are the full one; `QUICK` is a smoke test."""

    width: str = "medium"
    epochs: int = 70
    windows: int = PRESETS["robust"].windows  # rendered for each training of the obscuration network
    families: tuple[str, ...] = tuple(FAMILIES)  # evaluated
    held_out: tuple[str, ...] = tuple(FAMILIES)  # each in turn excluded from everything that is fitted
    time_profiles: tuple[str, ...] = ("sudden", "sudden", "sudden", "growth", "slide", "drying")  # used in turn
    per_band: int = 4  # episodes of each family and coverage band
    calibrate_s: float = 120.0  # of clean driving, at most
    false_alarms_per_hour: float = 1.0  # nominal rate
    paper_seeds: int = 3
    paper_s: float = 3600.0  # of a drive, at most
    generated_s: float = 420.0  # length of a generated drive
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise InputError for a value that no training or drive can have."""
        for name, given, known in (
            ("fault family to hold out", self.held_out, self.families),
            ("time profile of a fault", self.time_profiles, TIME_PROFILES),
        ):
            if unknown := [each for each in given if each not in known]:
                raise InputError(f"no {name} is called {unknown[0]!r}; choose from {', '.join(known)}")
        if not (self.time_profiles and self.paper_seeds >= 1 and self.per_band >= 1 and self.paper_s > 0):
            raise InputError("an evaluation needs at least a time profile, a seed, an episode and a second of driving")
        self.settings()

    def settings(self, held_out: str | None = None) -> TrainSettings:
        """Return the settings of the detector; if a family is held out, training does not render it."""
        return settings_without(held_out, self.width, self.epochs, self.windows, self.seed)

    def rng_seed(self, *names: str) -> int:
        """Return the seed for a drive, part or pass by its names."""
        return rng_seed(self.seed, *names)

    def paper_settings(self, preset: str, seed: int) -> TrainSettings:
        """Return the settings of the paper protocol: `paper`, `robust`, or `vanilla`, with the squared error alone."""
        return replace(PAPER_PRESETS[preset], width=self.width, epochs=self.epochs, seed=seed, windows=0)


QUICK = Plan(
    width="narrow",
    epochs=4,
    windows=960,
    held_out=("mud",),
    per_band=1,
    calibrate_s=60.0,
    paper_seeds=1,
    generated_s=110.0,
)


@dataclass(frozen=True)
class Parts:
    """The three parts of a drive, one after the other."""

    train: list[Record]
    calibrate: list[Record]
    judge: list[Record]


def cut(records: Sequence[Record], plan: Plan) -> Parts:
    """Split a drive into training, calibration and judged part. Many pauses make the calibration part longer.

    Raises InputError for a drive that is too short.
    """
    total_s = float(driving_s(records)[-1])
    first_s = min(plan.calibrate_s, max(CALIBRATE_MIN_S, CALIBRATE_SHARE * total_s))
    for calibrate_s in np.arange(first_s, plan.calibrate_s + 1e-6, 2 * BLOCK_S):
        judge_s = JUDGE_SHARE * (total_s - calibrate_s)
        if judge_s < LEAD_S + EPISODE_MIN_S:
            break
        train_s = total_s - calibrate_s - judge_s
        calibrate = segment(records, train_s, train_s + calibrate_s)
        if _blocks(calibrate) >= BLOCKS_MIN:
            judge = segment(records, train_s + calibrate_s, np.inf)
            return Parts(segment(records, 0.0, train_s), calibrate, judge)
    raise InputError(
        f"a drive of {total_s:.0f} s is too short to train, calibrate and evaluate on; give one of 50 s or more"
        " without pauses"
    )


def _blocks(records: Sequence[Record]) -> int:
    """Return the maximum number of calibration blocks: after every gap its averages have to warm up again."""
    times_s = np.array([record.timestamp_ms / 1000 for record in records])
    gaps = [is_gap(step_s) for step_s in np.diff(times_s).tolist()]
    runs = np.split(times_s, np.flatnonzero(gaps) + 1)
    return sum(max(0, int((run[-1] - run[0] - SLOW_RISE_S - WARM_UP_S) // BLOCK_S)) for run in runs)


def training_episodes(seconds: float, plan: Plan, held_out: str | None, rng: np.random.Generator) -> list[Episode]:
    """Draw faults for one eighth of the training part, from all families but the held-out one."""
    kinds = [family for family in plan.families if family != held_out]
    return scattered_episodes(seconds, rng, kinds, plan.time_profiles)


def judged_passes(seconds: float, family: str, plan: Plan, rng: np.random.Generator) -> list[list[Episode]]:
    """Distribute the episodes of a family, equally many per coverage band, over passes of the judged part."""
    coverages = [rng.uniform(*edges) for edges in pairwise(BANDS) for _ in range(plan.per_band)]
    return spread_over_passes(seconds, [(family, coverage) for coverage in coverages], plan.time_profiles, rng)


def spread_over_passes(
    seconds: float, faults: Sequence[tuple[str, float]], profiles: Sequence[str], rng: np.random.Generator
) -> list[list[Episode]]:
    """Distribute faults, each a family and a coverage, in random order over as few passes as hold them all."""
    chosen_faults = [faults[number] for number in rng.permutation(len(faults))]
    lasts_s = min(EPISODE_S, seconds - LEAD_S)
    room = max(1, int((seconds - LEAD_S + CLEAR_S) // (EPISODE_S + CLEAR_S)))
    time_profiles = cycle(profiles)  # coverages come in random order, so each time profile meets all
    passes = []
    for part in np.array_split(np.arange(len(faults)), -(-len(faults) // room)):
        chosen = [chosen_faults[number] for number in part]
        every_s = np.arange(len(chosen)) * (lasts_s + CLEAR_S)
        spare_s = max(0.0, seconds - LEAD_S - lasts_s - every_s[-1])
        starts_s = LEAD_S + every_s + np.sort(rng.uniform(0, spare_s, len(chosen)))
        passes.append(
            [
                Episode(start_s, start_s + lasts_s, coverage, family, next(time_profiles))
                for start_s, (family, coverage) in zip(starts_s.tolist(), chosen, strict=True)
            ]
        )
    return passes


def band(coverage: float) -> int:
    """Return the index of the band of a coverage; coverages outside all bands go to the nearest."""
    return int(np.digitize(coverage, BANDS[1:-1]))
