"""From what was observed to figures: a row an episode, a row a pass. Everything in the report sums up these rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..simulation.labels import Label
from .judge import judge, lasting_s, moments
from .metrics import averaged, cell_auc, cell_iou, pairwise_win_rates
from .predictions import Predictions

EVIDENCE, PCC = "evidence", "PCC"
AVERAGING_S = 1.0  # what a score on single frames gets for free in its second column
OVER_TIME = " over 1 s"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EpisodeFigures:
    """One episode judged. An AUC is of its frames against all clean frames of the same detector and family."""

    family: str
    held_out: bool  # the family was kept out of everything fitted
    passed: str  # name of the pass
    number: int  # in the pass
    time_profile: str  # how the fault developed
    coverage: float  # as rendered, 0…1
    delay_s: float | None  # None: missed
    frames: int  # settled, with evidence of their own
    frames_all: int  # from the onset on
    auc: dict[str, float]  # by score, settled frames against settled clean ones; empty without a frame
    auc_all: dict[str, float]  # every frame of the episode against every frame of none
    cell_auc: float | None  # of the mean settled map; None where it says nothing
    cell_iou: float | None


@dataclass(frozen=True)
class PassFigures:
    """One pass judged away from its episodes."""

    family: str  # of its episodes; empty: none
    held_out: str  # family kept out of what was fitted; empty: none
    passed: str
    false_alarms: int
    clean_s: float  # away from episodes
    held_s: float  # of these, how long the lens was held obscured
    statuses: dict[str, int]  # how many frames of the pass had which


@dataclass(frozen=True)
class ScoredDrive:
    """A pass as a detector and the baselines saw it."""

    name: str
    labels: Sequence[Label]
    predictions: Predictions
    baselines: Mapping[str, Floats]  # [N] each, higher speaks for a fault; may be none

    def scores(self) -> dict[str, Floats]:
        """Every score [N] by name, defined on the same frames: those with evidence of their own."""
        single = {PCC: -self.predictions.pccs, **self.baselines}
        spoke = np.isfinite(self.predictions.evidence)
        scores = {EVIDENCE: self.predictions.evidence}
        for name, values in single.items():
            scores[name] = np.where(spoke, values, np.nan)
            scores[name + OVER_TIME] = np.where(spoke, averaged(values, self.predictions.times_s, AVERAGING_S), np.nan)
        return scores


def episode_figures(wet: Sequence[ScoredDrive], clean: ScoredDrive, held_out: bool) -> list[EpisodeFigures]:
    """Judge the episodes of one family's passes; clean frames are those of all these passes and of the clean one."""
    passes = [(each, moments(each.labels, each.predictions.times_s), each.scores()) for each in (*wet, clean)]
    settled, everywhere = (
        {name: _gathered([scores[name][clear] for clear, scores in parts]) for name in passes[0][2]}
        for parts in (
            [(found.clean, scores) for _, found, scores in passes],
            [(~found.obscured, scores) for _, found, scores in passes],
        )
    )
    rows = []
    for watched, found, scores in passes[:-1]:
        verdicts = judge(
            watched.labels, watched.predictions.obscured, watched.predictions.pccs, watched.predictions.times_s
        )
        for number, verdict in enumerate(verdicts.episodes):
            mine = found.episode == number
            label = verdict.label
            frames, area = _areas(scores, mine & found.settled, settled)
            frames_all, area_all = _areas(scores, mine, everywhere)
            by_place, overlap = _places(watched, mine & found.settled, label)
            rows.append(
                EpisodeFigures(label.kind, held_out, watched.name, number, label.time_profile, label.coverage,
                               verdict.delay_s, frames, frames_all, area, area_all, by_place, overlap)
            )  # fmt: skip
    return rows


def pass_figures(watched: ScoredDrive, held_out: str) -> PassFigures:
    """Count the false alarms of a pass and the frames by status."""
    predictions = watched.predictions
    verdict = judge(watched.labels, predictions.obscured, predictions.pccs, predictions.times_s)
    held = moments(watched.labels, predictions.times_s).clean & predictions.obscured
    return PassFigures(
        family=watched.labels[0].kind if watched.labels else "",
        held_out=held_out,
        passed=watched.name,
        false_alarms=verdict.false_alarms,
        clean_s=verdict.clean_hours * 3600,
        held_s=float(lasting_s(predictions.times_s)[held].sum()),
        statuses=dict(Counter(predictions.statuses.tolist())),
    )


def _gathered(parts: Sequence[Floats]) -> Floats:
    together = np.concatenate(parts)
    return together[np.isfinite(together)]


def _areas(
    scores: Mapping[str, Floats], positive: NDArray[np.bool_], negatives: Mapping[str, Floats]
) -> tuple[int, dict[str, float]]:
    """How many frames speak, and the AUC of each score."""
    spoke = positive & np.isfinite(scores[EVIDENCE])
    if not spoke.any():
        return 0, {}
    areas = {}
    for name, values in scores.items():
        found = values[spoke & np.isfinite(values)]
        if len(found) and len(negatives[name]):
            areas[name] = float(pairwise_win_rates(found, negatives[name]).mean())
    return int(spoke.sum()), areas


def _places(watched: ScoredDrive, settled: NDArray[np.bool_], label: Label) -> tuple[float | None, float | None]:
    spoke = settled & np.isfinite(watched.predictions.evidence)
    if not spoke.any():
        return None, None
    mean = watched.predictions.maps[spoke].mean(0) / 255
    by_place, overlap = cell_auc(mean, label.places()), cell_iou(mean, label.places())
    return (by_place if np.isfinite(by_place) else None), (overlap if np.isfinite(overlap) else None)
