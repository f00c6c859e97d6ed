"""Compare objectives on drives: with rendered faults, or with frames and labels that are given; then write the page.

All artifacts stay in the work folder and are reused: the same command resumes an interrupted comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..edge.errors import InputError
from ..edge.read_file import real_path
from ..edge.tubs.times import open_drive
from ..edge.tubs.tub import Tub
from ..optics import FAMILIES
from ..training.image_sizes import leave_out_other_sizes
from ..training.objectives.names import TAGGED
from ..training.train import CACHE_FOLDER
from .evaluate import GENERATED, generated_drive, names_of, require_same
from .protocols.artifact_cache import ArtifactCache
from .protocols.display import Display
from .protocols.methods import MethodFigures, MethodsPlan, Trial, run_methods
from .protocols.plan import rng_seed
from .report.methods_page import PAGE, write_methods_page
from .simulation.episodes import Episode, scattered_episodes
from .simulation.frames_dir import FramesDir, write_frames_drive
from .simulation.labels import SAME_S, read_labels
from .simulation.rerendered_drive import driving_s, segment

GENERATED_S = 420.0
ABNORMAL_SHARE = 1 / 8  # of a drive whose abnormal frames are one block


@dataclass(frozen=True)
class Given:
    """What to compare on."""

    tubs: Sequence[Path] = ()
    generated: int = 0  # synthetic drives
    frames: FramesDir | None = None


def run_methods_evaluation(
    given: Given,
    plan: MethodsPlan,
    out: Path,
    docs: Path,
    display: Display,
    open_tub: Callable[[Path], Tub] = open_drive,
) -> tuple[Path, dict[str, list[MethodFigures]]]:
    """Compare the methods of a plan on each drive; return the page in `docs` and the figures by drive.

    Works in the folder `out`. Raises InputError when that holds anything but this same comparison, and for frames or
    labels that cannot be used.
    """
    tubs: Mapping[str, Path | None] = {
        **dict(zip(names_of(given.tubs), given.tubs, strict=True)),
        **{f"{GENERATED}{number}": None for number in range(given.generated)},
    }
    _require_usable(given, plan, len(tubs))
    for folder in given.tubs:
        open_tub(folder)  # report a bad one before hours of work
    require_same(plan, out, given.tubs, given.generated, given.frames)
    rendered = {
        name: _render(name, path, plan, ArtifactCache(out / "drives" / name, display), open_tub)
        for name, path in tubs.items()
    }
    trials = {name: _trials(rendered, name, plan) for name in rendered}
    if given.frames is not None:
        name = real_path(given.frames.folder).name
        trials[name] = _on_frames(given.frames, plan, ArtifactCache(out / "drives" / name, display))
    results: dict[str, list[MethodFigures]] = {name: [] for name in trials}
    for number in range(plan.seeds):  # in the outer loop: what is interrupted has something of each drive
        for name, of_drive in trials.items():
            folder = out / "drives" / name / str(number)
            results[name] += run_methods(of_drive[number], plan, folder, out / "drives" / CACHE_FOLDER, display)
    return write_methods_page(docs / PAGE, results, plan, __version__), results


def _require_usable(given: Given, plan: MethodsPlan, drives: int) -> None:
    """Raise InputError for a comparison that lacks drives."""
    if not drives and given.frames is None:
        raise InputError("nothing to compare on; give tubs, --frames-dir, or a number to --generated")
    if given.frames is not None and (tagged := [method for method in plan.methods if method in TAGGED]):
        raise InputError(f"{tagged[0]} learns from a clean drive too, and frames have none; leave it out of --methods")
    if plan.held_out and drives < 2:
        raise InputError(f"{drives} car leaves none to train on when it is held out; give another tub")


@dataclass(frozen=True)
class Rendered:
    """A drive without faults, and with others for each seed."""

    clean: Tub
    wet: Sequence[Tub]


def _render(
    name: str, path: Path | None, plan: MethodsPlan, artifacts: ArtifactCache, open_tub: Callable[[Path], Tub]
) -> Rendered:
    seed = rng_seed(plan.seed, name)
    tub = open_tub(path) if path else generated_drive(artifacts, "recorded", seed, min(GENERATED_S, plan.seconds))
    leave_out_other_sizes([tub])
    records = segment(tub.records, 0.0, plan.seconds)
    clean = artifacts.rerendered("clean", tub, records, rng_seed(plan.seed, name, "clean"), [])
    wet = []
    for number in range(plan.seeds):
        drawn = rng_seed(plan.seed, name, f"methods-{number}")
        episodes = _episodes(float(driving_s(records)[-1]), np.random.default_rng(drawn), plan)
        wet.append(artifacts.rerendered(f"methods-{number}", tub, records, drawn, episodes))
    return Rendered(clean, wet)


def _trials(rendered: Mapping[str, Rendered], name: str, plan: MethodsPlan) -> list[Trial]:
    """Return a trial for each seed: trained on the drive itself, or with its car held out on all others."""
    trained_on = [each for other, each in rendered.items() if (other == name) != plan.held_out]
    clean = [each.clean for each in trained_on]
    return [
        Trial(drive, _abnormal(drive), rendered[name].clean, [each.wet[number] for each in trained_on], clean, number)
        for number, drive in enumerate(rendered[name].wet)
    ]


def _abnormal(drive: Tub) -> NDArray[np.bool_]:
    """Return which records [N] of a drive have a rendered fault."""
    abnormal = np.zeros(len(drive.records), bool)
    for label in read_labels(drive.folder):
        abnormal[label.start_index : label.end_index] = True
    return abnormal


def _episodes(seconds: float, rng: np.random.Generator, plan: MethodsPlan) -> list[Episode]:
    """Draw faults for one eighth of a drive: scattered over it, or as one block at its end."""
    kinds = tuple(FAMILIES)
    if not plan.one_block:
        return scattered_episodes(seconds, rng, kinds)
    begins_s = seconds * (1 - ABNORMAL_SHARE)
    ends_s = seconds + 2 * SAME_S  # an episode ends before this moment, and the last record belongs to it
    edges_s = np.linspace(begins_s, ends_s, len(kinds) + 1).tolist()
    return [
        Episode(start_s, end_s, rng.uniform(0.1, 0.5), kind, "sudden")
        for start_s, end_s, kind in zip(edges_s[:-1], edges_s[1:], rng.permutation(list(kinds)).tolist(), strict=True)
    ]


def _on_frames(given: FramesDir, plan: MethodsPlan, artifacts: ArtifactCache) -> list[Trial]:
    truth: NDArray[np.bool_] = given.truth()
    drive = artifacts.drive("frames", lambda folder, progress: write_frames_drive(folder, given, progress))
    return [Trial(drive, truth, None, [drive], [], number) for number in range(plan.seeds)]
