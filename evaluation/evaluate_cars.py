"""Run the protocol of held-out cars, then write its page.

All artifacts stay in the work folder and are reused: the same command resumes an interrupted evaluation.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from .. import __version__
from ..edge.tubs.times import open_drive
from ..edge.tubs.tub import Tub
from .evaluate import GENERATED, generated_drive, names_of, require_same
from .protocols.artifact_cache import ArtifactCache
from .protocols.cars import CarsPlan, run_cars
from .protocols.cars_summary import CarsRow, summaries
from .protocols.display import Display
from .protocols.plan import rng_seed
from .report.cars_page import PAGE, write_cars_page
from .report.false_alarms import find_false_alarms


def run_cars_evaluation(
    tubs: Sequence[Path],
    generated: int,
    plan: CarsPlan,
    out: Path,
    docs: Path,
    display: Display,
    open_tub: Callable[[Path], Tub] = open_drive,
) -> tuple[Path, list[CarsRow]]:
    """Evaluate on held-out cars, each TUB a car of its own; return the page in `docs` and the summaries.

    `generated` synthetic drives are trained on and never held out. Works in the folder `out`. Raises InputError when
    that holds anything but this same evaluation, and for fewer cars than folds.
    """
    plan.require_enough(len(tubs))
    cars = {name: open_tub(folder) for name, folder in zip(names_of(tubs), tubs, strict=True)}
    require_same(plan, out, tubs, generated)
    artifacts = ArtifactCache(out, display)
    drives = []
    for number in range(generated):
        name = f"{GENERATED}{number}"
        drives.append(generated_drive(artifacts, name, rng_seed(plan.seed, name), plan.generated_s))
    results = run_cars(cars, drives, plan, artifacts)
    alarms = list(find_false_alarms(results, artifacts))
    return write_cars_page(docs / PAGE, results, alarms, plan, __version__, generated), summaries(results)
