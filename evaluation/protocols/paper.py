"""The paper protocol on one drive: one eighth wet, no labels, trained and tested on the same frames, last epoch.

Neither the epoch nor the sign nor the settings are chosen by the AUC. Each seed draws other faults, initial weights
and orders of the frames.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...calibration.rules import KAPPA
from ...edge.frame import to_grey80
from ...edge.measures import pearson
from ...edge.tubs.tub import Tub
from ...training.shards import Progress
from ..simulation.episodes import scattered_episodes
from ..simulation.labels import Label, read_labels
from ..simulation.rerendered_drive import driving_s, segment, write_rerendered_drive
from .artifact_cache import ArtifactCache, read_json, write_json
from .detection import frame_truth
from .metrics import pairwise_win_rates
from .plan import PAPER_PRESETS, Plan

MEAN_FRAME = "mean frame"  # baseline: the PCC of each frame with the mean of the drive
RESULT = "paper.json"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PaperEpisode:
    """The result of one episode against all clean frames of its drive."""

    family: str
    coverage: float
    frames: int
    auc: float  # of a low PCC on single frames


@dataclass(frozen=True)
class PaperFigures:
    """The results of one model on the drive that it was trained on."""

    preset: str  # paper, robust, vanilla, or mean frame for the baseline
    seed: int
    episodes: list[PaperEpisode]
    flagged_clean: float  # share of the clean frames below µ − 0.5σ of the drive
    flagged_wet: float
    mean_pcc: float
    latent: str  # healthy, dead or collapsed at the last epoch; empty for the mean frame


def run_paper(tub: Tub, plan: Plan, artifacts: ArtifactCache) -> list[PaperFigures]:
    """Run or resume the protocol in the folder of the cache."""
    path = artifacts.folder / RESULT
    if (kept := read_json(path)) is not None:
        return [paper_from(row) for row in kept]
    records = segment(tub.records, 0.0, plan.paper_s)
    rows = []
    for seed in range(plan.paper_seeds):

        def write(folder: Path, progress: Progress, seed: int = seed) -> None:
            drawn = plan.rng_seed(artifacts.folder.name, f"paper-{seed}")
            rng = np.random.default_rng(drawn)
            episodes = scattered_episodes(float(driving_s(records)[-1]), rng, plan.families, plan.time_profiles)
            write_rerendered_drive(folder, tub, records, seed=drawn, episodes=episodes, progress=progress)

        drive = artifacts.drive(f"paper-{seed}", write)
        labels, times_s = read_labels(drive.folder), driving_s(drive.records)
        rows.append(_figures(MEAN_FRAME, seed, labels, times_s, _mean_frame_pccs(drive), ""))
        for preset in PAPER_PRESETS:
            name = f"paper-{preset}-{seed}"
            bundle = artifacts.bundle(name, drive, plan.paper_settings(preset, seed))
            pccs = artifacts.predictions(f"paper-{seed}", bundle, None, drive).pccs
            rows.append(_figures(preset, seed, labels, times_s, pccs, _latent(artifacts.run_folder(name))))
    write_json(path, [asdict(row) for row in rows])
    return rows


def paper_from(kept: dict) -> PaperFigures:
    """Rebuild a row from its JSON."""
    return PaperFigures(**{**kept, "episodes": [PaperEpisode(**episode) for episode in kept["episodes"]]})


def _figures(
    preset: str, seed: int, labels: Sequence[Label], times_s: Floats, pccs: Floats, latent: str
) -> PaperFigures:
    """Evaluate `pccs` [N]; frames with NaN are left out."""
    found, defined = frame_truth(labels, times_s), np.isfinite(pccs)
    clean = pccs[defined & ~found.obscured]
    flagged = pccs < np.nanmean(pccs) - KAPPA * np.nanstd(pccs)
    episodes = []
    for number, label in enumerate(labels):
        mine = pccs[defined & (found.episode == number)]
        if len(mine):
            episodes.append(
                PaperEpisode(label.kind, label.coverage, len(mine), float(pairwise_win_rates(-mine, -clean).mean()))
            )
    return PaperFigures(
        preset,
        seed,
        episodes,
        flagged_clean=float(flagged[defined & ~found.obscured].mean()),
        flagged_wet=float(flagged[defined & found.obscured].mean()),
        mean_pcc=float(np.nanmean(pccs)),
        latent=latent,
    )


def _mean_frame_pccs(drive: Tub) -> Floats:
    """Return the PCC [N] of each frame with the mean of all frames."""
    total, count = np.zeros(1), 0
    for _, frame in drive.frames():
        total, count = total + to_grey80(frame), count + 1
    mean = (total / count).astype(np.float32)
    return np.array([pearson(to_grey80(frame), mean) for _, frame in drive.frames()])


def _latent(run: Path) -> str:
    """Return the state of the latent after the last epoch."""
    return str(json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["latent"])
