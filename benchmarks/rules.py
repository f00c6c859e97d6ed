"""Take one part of the rule out at a time, on held-out cars: `python benchmarks/rules.py WORK [SEED]`.

WORK is the folder of `mle-uvad evaluate --protocol cars`. The first run scores the drives of each car with its held-out
network and the reference of its two minutes of calibration, and stores the scores in WORK/scores; after that a rule
takes seconds. Each rule calibrates on the stored scores of the calibration drive and runs the real monitor over those
of the others. Cars whose calibration is refused are left out. What is chosen by these figures has no result in them.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from mle_uvad.calibration import calibrate_on_tub, rules
from mle_uvad.calibration.phases import thresholds_from_drive
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.evidence import Evidence, Thresholds
from mle_uvad.edge.monitor import CELLS_EVERY_S, Monitor
from mle_uvad.edge.reference import Reference
from mle_uvad.edge.scorer import NO_CRAWL, FrameScore, Scorer
from mle_uvad.edge.tubs.replay import drive_again
from mle_uvad.edge.tubs.tub import Record, Tub
from mle_uvad.evaluation.protocols.cars import CLEAN, HELD_OUT, CarFigures
from mle_uvad.evaluation.protocols.cars_summary import summarise
from mle_uvad.evaluation.protocols.figures import ScoredDrive, episode_figures, pass_figures
from mle_uvad.evaluation.protocols.predictions import load_arrays, predict, save_arrays
from mle_uvad.evaluation.simulation.labels import read_labels

TWO_MINUTES = "2 min"


class StoredDrive(Tub):
    """A drive whose frames are the stored scores of its frames."""

    scores: dict[int, FrameScore]  # by the index of the record

    def frame(self, record: Record) -> Any:
        return self.scores[record.index]


class StoredScorer:
    """Stands in for the scorer of a monitor: a frame is its own score, to which only the crawl is added."""

    def __init__(self, bundle: Bundle, reference: Reference) -> None:
        self.bundle, self.reference = bundle, reference
        self.crawl_below, self.cells_every_s = NO_CRAWL, 0.0

    def restart(self) -> None:
        """Do nothing: the running means are part of the scores."""

    def score(self, frame: FrameScore, _t_s: float) -> FrameScore:
        return replace(frame, crawl_below=self.crawl_below)


@dataclass(frozen=True)
class Rule:
    """The rule as it ships, with some names replaced and the thresholds changed."""

    name: str
    replaced: list[tuple[Any, str, Any]] = field(default_factory=list)
    change: Callable[[Thresholds], Thresholds] = lambda thresholds: thresholds


def cut_at_zero(self: Any, logits: NDArray[np.float32], driving_s: float) -> tuple[NDArray[np.float64], bool]:
    """Stand in for `Evidence._filtered_excess`: what lies below the baseline counts as the baseline."""
    excess = np.minimum(np.maximum(logits.ravel() - self._baseline, 0), self._excess_max)
    filtered = self._cells.update(excess, driving_s) / self._threshold
    fast, slow = self._cells.warmed_up
    return (filtered if slow else filtered[:1]), fast


def no_baseline(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stand in for `rules._baseline`: the same for all cells of all cars."""
    return np.full(values.shape[1:], rules.BASELINE_MIN)


RULES = [
    Rule("as shipped"),
    Rule("thresholds of the own drive alone", [(rules, "PRIORS", (None, None))]),
    Rule("no baseline of each cell", [(rules, "_baseline", no_baseline)]),
    Rule("baseline without the neighbours", [(rules, "NEIGHBOURS", 0)]),
    Rule("evidence cut off at 0", [(Evidence, "_filtered_excess", cut_at_zero)]),
    Rule("fast filter alone", change=lambda found: replace(found, excess=(found.excess[0], np.inf))),
    Rule("slow filter alone", change=lambda found: replace(found, excess=(np.inf, found.excess[1]))),
]


def stored(path: Path, scorer: Scorer, tub: Tub) -> list[tuple[Record, FrameScore]]:
    """Score a drive, or read its scores back."""
    if not path.is_file():
        scores = [scorer.score(frame, record.timestamp_ms / 1000) for record, frame in drive_again(tub, scorer.restart)]
        looked = np.array([score.logits is not None for score in scores])
        grids = [(score.logits, score.feature_maps) for score in scores if score.logits is not None]
        save_arrays(
            path,
            {
                # None becomes NaN
                "facts": np.array([(s.pcc, s.motion, s.contrast, s.warmed_up) for s in scores], np.float64),
                "statuses": np.array([score.status for score in scores]),
                "looked": looked,
                "logits": np.stack([logits for logits, _ in grids]).astype(np.float16),
                "maps": np.stack([maps for _, maps in grids]).astype(np.float16),
            },
        )
    return list(zip(tub.records, _read(path), strict=True))


def _read(path: Path) -> Iterator[FrameScore]:
    kept = load_arrays(path)
    grids = iter(zip(kept["logits"].astype(np.float32), kept["maps"].astype(np.float32), strict=True))
    for status, looked, (pcc, motion, contrast, warm) in zip(
        kept["statuses"].tolist(), kept["looked"].tolist(), kept["facts"].tolist(), strict=True
    ):
        if status != "ok":
            yield FrameScore(status)
        else:
            logits, maps = next(grids) if looked else (None, None)
            yield FrameScore("ok", pcc, logits, maps, motion, bool(warm), contrast)


@dataclass(frozen=True, eq=False)
class Car:
    """A held-out car and its scores."""

    name: str
    bundle: Bundle
    reference: Reference
    calibration: list[tuple[Record, FrameScore]]
    drives: dict[str, StoredDrive]  # the clean one first


def held_out_cars(work: Path, seed: int) -> list[str]:
    """Return the names of the cars that the training with this seed has a held-out network for."""
    ending = f"-seed-{seed}"
    names = [folder.name.removesuffix(ending) for folder in sorted((work / "bundles").glob(f"*{ending}"))]
    return [name for name in names if not name.endswith("-continued")]


def calibration_drive(work: Path, name: str) -> Path:
    """Return the longest drive that a car was calibrated on."""
    return max((work / "tubs").glob(f"{name}-calibrate-*"), key=lambda path: int(path.name.rsplit("-", 1)[1]))


def calibrated(scorer: Scorer, drive: Tub) -> Thresholds:
    """Calibrate on a drive. Raises InputError if the drive is refused."""
    calibration = calibrate_on_tub(
        scorer, drive, rule="clean", false_alarms_per_hour=1.0, now=datetime.now(timezone.utc), progress=silent
    )
    return calibration.thresholds


def open_car(work: Path, name: str, seed: int) -> Car:
    """Score the drives of a car or read their scores. Raises InputError if its calibration is refused."""
    bundle = Bundle.load(work / "bundles" / f"{name}-seed-{seed}")
    folder = work / "scores" / bundle.folder.name
    longest = calibration_drive(work, name)
    scorer = open_scorer(bundle)
    if not (kept := folder / "reference.npz").is_file():
        save_arrays(kept, {"reference": calibrated(scorer, Tub(longest)).reference})
    scorer.reference = reference = load_arrays(kept)["reference"]
    calibration = stored(folder / "calibration.npz", scorer, Tub(longest))
    scorer.cells_every_s = CELLS_EVERY_S
    drives = {}
    for path in (work / "tubs" / f"{name}-{CLEAN}", *sorted((work / "tubs").glob(f"{name}-wet-*"))):
        drive = StoredDrive(path)
        scores = stored(folder / f"{path.name}.npz", scorer, Tub(path))
        drive.scores = {record.index: score for record, score in scores}
        drives[path.name] = drive
    return Car(name, bundle, reference, calibration, drives)


def evaluate(car: Car, rule: Rule, seed: int) -> CarFigures:
    """Calibrate and evaluate one car by a rule."""
    with ExitStack() as stack:
        for owner, name, value in rule.replaced:
            stack.enter_context(patch.object(owner, name, value))
        scored = [(record.timestamp_ms / 1000, score) for record, score in car.calibration if score.pcc is not None]
        thresholds = rule.change(thresholds_from_drive(scored, car.reference, 1.0)[0])
        clean, *wet = (
            ScoredDrive(name, read_labels(drive.folder), predict(drive, _monitor(car, thresholds), silent), {})
            for name, drive in car.drives.items()
        )
    return car_figures(car.name, seed, TWO_MINUTES, clean, wet)


def car_figures(name: str, seed: int, calibration: str, clean: ScoredDrive, wet: Sequence[ScoredDrive]) -> CarFigures:
    """Return the figures of a held-out car, from its scored drives."""
    episodes = episode_figures(wet, clean, held_out=False)
    passes = [pass_figures(each, "") for each in (clean, *wet)]
    return CarFigures(name, seed, HELD_OUT, calibration, "", episodes, passes)


def _monitor(car: Car, thresholds: Thresholds) -> Monitor:
    scorer: Any = StoredScorer(car.bundle, car.reference)
    return Monitor(scorer, thresholds)


def silent(done: int, total: int) -> None:
    """Show no progress."""


def print_header(rows: str) -> None:
    """Print the head of a table, whose rows are those of `print_row`."""
    print(f"| {rows} | AUC, worst car | caught from 5 % on | 2–5 % | median delay | 90th percentile | false alarms |")
    print("|---|---|---|---|---|---|---|")


def print_row(name: str, results: Sequence[CarFigures], calibration: str) -> None:
    """Print a row with the summary over cars."""
    row = summarise(results, HELD_OUT, calibration, None)
    print(
        f"| {name} | {row.auc:.3f}, {row.worst_auc:.3f} | {row.recall:.0%} | {row.recall_small:.0%} |"
        f" {row.median_delay_s:.1f} s | {row.late_delay_s:.1f} s |"
        f" {row.false_alarms} in {row.clean_minutes:.1f} min |",
        flush=True,
    )


def main(work: Path, seed: int) -> None:
    cars = []
    for name in held_out_cars(work, seed):
        try:
            cars.append(open_car(work, name, seed))
        except InputError as error:
            print(f"{name} is left out: {error}")
    print_header("rule")
    for rule in RULES:
        print_row(rule.name, [evaluate(car, rule, seed) for car in cars], TWO_MINUTES)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
