"""The whole evaluation: both protocols on every drive, then the results page and its plots.

Everything made on the way stays in the work folder and is not made again: an interrupted evaluation goes on where it
was when the same command is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .. import __version__
from ..edge.errors import InputError
from ..edge.tubs.tub import Tub
from ..training.cache import Progress
from .protocols.artifact_cache import ArtifactCache, read_json, write_json
from .protocols.display import Display
from .protocols.figures import EpisodeFigures, ScoredDrive
from .protocols.paper import run_paper
from .protocols.plan import Plan
from .protocols.product import ALL, run_product
from .protocols.summary import Evaluated, episodes_of
from .report.page import PAGE, write_report
from .report.plots import draw_areas, draw_catches, draw_evidence
from .report.product_page import Plots
from .report.sheet import draw_sheet
from .simulation.drives import write_drive
from .simulation.rerendered_drive import driven_s
from .simulation.track import Track

PLAN_FILE = "plan.json"
GENERATED = "generated-"  # name of a generated drive, before its number
PROTOCOLS = ("product", "paper")


def run_evaluation(
    tubs: Sequence[Path], generated: int, protocols: Sequence[str], plan: Plan, out: Path, docs: Path, display: Display
) -> tuple[Path, list[Evaluated]]:
    """Evaluate recorded drives and so many generated ones; returns the page in `docs`, and all it rests on.

    Works in the folder `out`. Raises InputError when that holds anything but this same evaluation, and for a drive
    too short for a protocol.
    """
    given: dict[str, Path | None] = dict(zip(_names(tubs), tubs, strict=True))
    given |= {f"{GENERATED}{number}": None for number in range(generated)}
    if not given:
        raise InputError("nothing to evaluate; give tubs, or a number to --generated")
    for folder in tubs:
        Tub(folder)  # a bad one is told before hours of work
    _require_same(plan, out)
    drives = []
    for name, recorded in given.items():
        display.step(f"drive {name}")
        artifacts = _workshop(out, name, display)
        tub = Tub(recorded) if recorded else _generate(artifacts, plan)
        drives.append(
            Evaluated(
                name,
                generated=recorded is None,
                seconds=float(driven_s(tub.records)[-1]),
                records=len(tub.records),
                product=run_product(tub, plan, artifacts) if "product" in protocols else None,
                paper=run_paper(tub, plan, artifacts) if "paper" in protocols else [],
            )
        )
    display.step("writing the results page")
    page = docs / PAGE
    write_report(page, drives, plan, __version__, _draw(drives, plan, out, docs, display))
    return page, drives


def _workshop(out: Path, name: str, display: Display) -> ArtifactCache:
    return ArtifactCache(out / "drives" / name, display)


def _names(tubs: Sequence[Path]) -> list[str]:
    """The folder names of the tubs; where several are called alike, with a number."""
    names: list[str] = []
    for tub in tubs:
        name, number = tub.resolve().name, 2
        while name in names:
            name, number = f"{tub.resolve().name}-{number}", number + 1
        names.append(name)
    return names


def _require_same(plan: Plan, out: Path) -> None:
    path = out / PLAN_FILE
    told = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(plan).items()}
    if (kept := read_json(path)) is None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out} holds other files and no evaluation; give a new folder to --out")
        write_json(path, told)
    elif kept != told:
        different = ", ".join(name for name in told if kept.get(name) != told[name])
        raise InputError(f"{out} holds an evaluation with another {different}; give a new folder to --out")


def _generate(artifacts: ArtifactCache, plan: Plan) -> Tub:
    def write(folder: Path, progress: Progress) -> None:
        seed = plan.rng_seed(artifacts.folder.name)
        write_drive(folder, Track(np.random.default_rng(seed)), seed=seed, seconds=plan.generated_s, progress=progress)

    return artifacts.drive("recorded", write)


def _draw(drives: Sequence[Evaluated], plan: Plan, out: Path, docs: Path, display: Display) -> Plots:
    judged = [drive for drive in drives if drive.product]
    if not judged:
        return Plots()
    pictures = Plots(
        areas="evaluate-auc.png",
        catches="evaluate-caught.png",
        evidence=tuple((drive.name, f"evaluate-evidence-{drive.name}.png") for drive in judged),
        sheet="evaluate-sheet.png" if any(drive.generated for drive in judged) else "",
    )
    draw_areas(docs / pictures.areas, judged, plan.families)
    draw_catches(docs / pictures.catches, judged)
    met = episodes_of(judged, held_out=False)
    for name, file in pictures.evidence:
        draw_evidence(docs / file, _telling_passes(_workshop(out, name, display), met[name]), met[name])
    for drive in [drive for drive in judged if drive.generated][:1]:
        draw_sheet(docs / pictures.sheet, _workshop(out, drive.name, display), ALL, met[drive.name])
    return pictures


def _telling_passes(artifacts: ArtifactCache, rows: Sequence[EpisodeFigures]) -> list[ScoredDrive]:
    """Of each family the pass with most episodes missed, the first where none is."""
    watched = []
    for family in dict.fromkeys(row.family for row in rows):
        missed = {row.passed: 0 for row in rows if row.family == family}
        for row in rows:
            if row.family == family and row.delay_s is None:
                missed[row.passed] += 1
        name = max(missed, key=lambda each: missed[each])
        _, labels, predictions = artifacts.kept(ALL, name)
        watched.append(ScoredDrive(name, labels, predictions, {}))
    return watched
