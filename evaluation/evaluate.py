"""Run an evaluation: both protocols on every drive, then the results page and its plots.

All artifacts stay in the work folder and are reused: the same command resumes an interrupted evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .. import __version__
from ..edge.errors import InputError
from ..edge.read_file import real_path
from ..edge.tubs.times import open_drive
from ..edge.tubs.tub import Tub
from ..training.image_sizes import leave_out_other_sizes
from ..training.shards import Progress
from .protocols.artifact_cache import ArtifactCache, read_json, write_json
from .protocols.cars import CarsPlan
from .protocols.display import Display
from .protocols.figures import EpisodeFigures, ScoredDrive
from .protocols.methods import MethodsPlan
from .protocols.paper import run_paper
from .protocols.plan import Plan
from .protocols.product import ALL, run_product
from .protocols.summary import Evaluated, episodes_of
from .report.page import PAGE, write_report
from .report.plots import draw_auc, draw_detections, draw_evidence
from .report.product_page import Plots
from .report.sheet import draw_sheet
from .simulation.drives import write_drive
from .simulation.frames_dir import FramesDir
from .simulation.rerendered_drive import driving_s
from .simulation.track import Track

PLAN_FILE = "plan.json"
SCHEMA = 3  # of the work folder; 2 did not state the drives, and before it the rows had other names
GENERATED = "generated-"  # name of a generated drive, before its number
PROTOCOLS = ("product", "paper")


def run_evaluation(
    tubs: Sequence[Path],
    generated: int,
    protocols: Sequence[str],
    plan: Plan,
    out: Path,
    docs: Path,
    display: Display,
    open_tub: Callable[[Path], Tub] = open_drive,
) -> tuple[Path, list[Evaluated]]:
    """Evaluate recorded drives and `generated` synthetic ones; return the page in `docs` and the results.

    Works in the folder `out`. Raises InputError when that holds anything but this same evaluation, and for a drive
    too short for a protocol.
    """
    given: dict[str, Path | None] = dict(zip(names_of(tubs), tubs, strict=True))
    given |= {f"{GENERATED}{number}": None for number in range(generated)}
    if not given:
        raise InputError("nothing to evaluate; give tubs, or a number to --generated")
    for folder in tubs:
        open_tub(folder)  # report a bad one before hours of work
    require_same(plan, out, tubs, generated)
    drives = []
    for name, recorded in given.items():
        display.step(f"drive {name}")
        artifacts = _artifacts(out, name, display)
        tub = open_tub(recorded) if recorded else _generate(artifacts, plan)
        leave_out_other_sizes([tub])
        drives.append(
            Evaluated(
                name,
                generated=recorded is None,
                seconds=float(driving_s(tub.records)[-1]),
                records=len(tub.records),
                product=run_product(tub, plan, artifacts) if "product" in protocols else None,
                paper=run_paper(tub, plan, artifacts) if "paper" in protocols else [],
            )
        )
    plots = _draw(drives, plan, out, docs, display)
    page = docs / PAGE
    display.step(f"writing {page}")
    write_report(page, drives, plan, __version__, plots)
    return page, drives


def _artifacts(out: Path, name: str, display: Display) -> ArtifactCache:
    return ArtifactCache(out / "drives" / name, display)


def names_of(tubs: Sequence[Path]) -> list[str]:
    """Return the folder names of the tubs, with a number added where several are the same."""
    names: list[str] = []
    for tub in tubs:
        name, number = real_path(tub).name, 2
        while name in names:
            name, number = f"{real_path(tub).name}-{number}", number + 1
        names.append(name)
    return names


def require_same(
    plan: Plan | CarsPlan | MethodsPlan,
    out: Path,
    tubs: Sequence[Path],
    generated: int,
    frames: FramesDir | None = None,
) -> None:
    """Note the plan and the drives in the work folder. Raises InputError if it holds any other evaluation.

    The artifacts in it have the names of folders, and the tub of every Donkeycar is called `data`. The order of the
    tubs counts: it decides which cars are held out together.
    """
    path = out / PLAN_FILE
    stated = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(plan).items()}
    stated |= {"schema": SCHEMA, "tubs": _real(tubs), "generated": generated}
    stated["frames"] = _real([frames.folder, frames.labels]) if frames else []
    if (kept := read_json(path)) is None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out} holds other files and no evaluation; give a new folder to --out")
        write_json(path, stated)
    elif kept.get("schema") != SCHEMA:
        raise InputError(f"{out} holds an evaluation by another version of mle_uvad; give a new folder to --out")
    elif kept != stated:
        different = ", ".join(name for name in stated if kept.get(name) != stated[name])
        raise InputError(f"{out} holds an evaluation that differs in {different}; give a new folder to --out")


def _real(paths: Sequence[Path]) -> list[str]:
    return [str(real_path(path)) for path in paths]


def _generate(artifacts: ArtifactCache, plan: Plan) -> Tub:
    return generated_drive(artifacts, "recorded", plan.rng_seed(artifacts.folder.name), plan.generated_s)


def generated_drive(artifacts: ArtifactCache, name: str, seed: int, seconds: float) -> Tub:
    """Return a generated drive, as `mle-uvad generate --track SEED --seed SEED` writes it."""

    def write(folder: Path, progress: Progress) -> None:
        write_drive(folder, Track(np.random.default_rng(seed)), seed=seed, seconds=seconds, progress=progress)

    return artifacts.drive(name, write)


def _draw(drives: Sequence[Evaluated], plan: Plan, out: Path, docs: Path, display: Display) -> Plots:
    judged = [drive for drive in drives if drive.product]
    if not judged:
        return Plots()
    plots = Plots(
        aucs="evaluate-auc.png",
        detections="evaluate-caught.png",
        evidence=tuple((drive.name, f"evaluate-evidence-{drive.name}.png") for drive in judged),
        sheet="evaluate-sheet.png" if any(drive.generated for drive in judged) else "",
    )

    def announced(file: str) -> Path:
        display.step(f"drawing {docs / file}")
        return docs / file

    draw_auc(announced(plots.aucs), judged, plan.families)
    draw_detections(announced(plots.detections), judged)
    met = episodes_of(judged, held_out=False)
    for name, file in plots.evidence:
        draw_evidence(announced(file), _passes_to_draw(_artifacts(out, name, display), met[name]), met[name])
    for drive in [drive for drive in judged if drive.generated][:1]:
        draw_sheet(announced(plots.sheet), _artifacts(out, drive.name, display), ALL, met[drive.name])
    return plots


def _passes_to_draw(artifacts: ArtifactCache, rows: Sequence[EpisodeFigures]) -> list[ScoredDrive]:
    """Return the pass of each family with most episodes missed, the first if none is."""
    scored = []
    for family in dict.fromkeys(row.family for row in rows):
        missed = {row.passed: 0 for row in rows if row.family == family}
        for row in rows:
            if row.family == family and row.delay_s is None:
                missed[row.passed] += 1
        name = max(missed, key=lambda each: missed[each])
        _, labels, predictions = artifacts.kept(ALL, name)
        scored.append(ScoredDrive(name, labels, predictions, {}))
    return scored
