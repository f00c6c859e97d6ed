"""Figures of an evaluation: one row per episode and one row per pass, which the report summarises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..simulation.labels import Label
from .detection import durations_s, frame_truth, judge
from .metrics import averaged, cell_auc, cell_iou, pairwise_win_rates
from .predictions import Predictions

EVIDENCE, PCC = "evidence", "PCC"
AVERAGING_S = 1.0  # time constant of the averaged variant of single-frame scores
OVER_TIME = " over 1 s"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EpisodeFigures:
    """Figures of one episode. An AUC compares its frames with all clean frames of the same detector and family."""

    family: str
    held_out: bool  # whether the family was excluded from training
    passed: str  # name of the pass
    number: int  # in the pass
    time_profile: str  # how the fault developed
    coverage: float  # as rendered, 0…1
    delay_s: float | None  # None: missed
    frames: int  # settled, with their own evidence
    frames_all: int  # from the onset on
    auc: dict[str, float]  # by score, settled frames against settled clean ones; empty without a frame
    auc_all: dict[str, float]  # every frame of the episode against every frame outside episodes
    cell_auc: float | None  # of the mean settled map; None where it is undefined
    cell_iou: float | None


@dataclass(frozen=True)
class PassFigures:
    """Figures of one pass away from its episodes."""

    family: str  # of its episodes; empty: none
    held_out: str  # family excluded from training; empty: none
    passed: str
    false_alarms: int
    clean_s: float  # away from episodes
    held_s: float  # of these, seconds with an alarm
    statuses: dict[str, int]  # number of frames by status


@dataclass(frozen=True, eq=False)
class ScoredDrive:
    """The predictions of a detector and of the baselines for one pass."""

    name: str
    labels: Sequence[Label]
    predictions: Predictions
    baselines: Mapping[str, Floats]  # [N] each, higher means a fault; may be empty

    def scores(self) -> dict[str, Floats]:
        """Return every score [N] by name, all defined on the frames with their own evidence."""
        single = {PCC: -self.predictions.pccs, **self.baselines}
        has_evidence = np.isfinite(self.predictions.evidence)
        scores = {EVIDENCE: self.predictions.evidence}
        for name, values in single.items():
            scores[name] = np.where(has_evidence, values, np.nan)
            scores[name + OVER_TIME] = np.where(
                has_evidence, averaged(values, self.predictions.times_s, AVERAGING_S), np.nan
            )
        return scores


def with_rows(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return results that were read from JSON with their `episodes` and `passes` as rows of figures."""
    episodes = [EpisodeFigures(**row) for row in kept["episodes"]]
    return {**kept, "episodes": episodes, "passes": [PassFigures(**row) for row in kept["passes"]]}


def episode_figures(wet: Sequence[ScoredDrive], clean: ScoredDrive, held_out: bool) -> list[EpisodeFigures]:
    """Evaluate the episodes of one family against the clean frames of its passes and of the clean pass."""
    passes = [(each, frame_truth(each.labels, each.predictions.times_s), each.scores()) for each in (*wet, clean)]
    settled, everywhere = (
        {name: _gathered([scores[name][clear] for clear, scores in parts]) for name in passes[0][2]}
        for parts in (
            [(found.clean, scores) for _, found, scores in passes],
            [(~found.obscured, scores) for _, found, scores in passes],
        )
    )
    rows = []
    for scored, found, scores in passes[:-1]:
        verdicts = judge(
            scored.labels, scored.predictions.obscured, scored.predictions.pccs, scored.predictions.times_s
        )
        for number, verdict in enumerate(verdicts.episodes):
            mine = found.episode == number
            label = verdict.label
            frames, auc_value = _aucs(scores, mine & found.settled, settled)
            frames_all, auc_all_value = _aucs(scores, mine, everywhere)
            by_cell, iou = _cell_scores(scored, mine & found.settled, label)
            rows.append(
                EpisodeFigures(label.kind, held_out, scored.name, number, label.time_profile, label.coverage,
                               verdict.delay_s, frames, frames_all, auc_value, auc_all_value, by_cell, iou)
            )  # fmt: skip
    return rows


def pass_figures(scored: ScoredDrive, held_out: str) -> PassFigures:
    """Count the false alarms of a pass and the frames by status."""
    predictions = scored.predictions
    verdict = judge(scored.labels, predictions.obscured, predictions.pccs, predictions.times_s)
    held = frame_truth(scored.labels, predictions.times_s).clean & predictions.obscured
    return PassFigures(
        family=scored.labels[0].kind if scored.labels else "",
        held_out=held_out,
        passed=scored.name,
        false_alarms=verdict.false_alarms,
        clean_s=verdict.clean_hours * 3600,
        held_s=float(durations_s(predictions.times_s)[held].sum()),
        statuses=dict(Counter(predictions.statuses.tolist())),
    )


def _gathered(parts: Sequence[Floats]) -> Floats:
    together = np.concatenate(parts)
    return together[np.isfinite(together)]


def _aucs(
    scores: Mapping[str, Floats], positive: NDArray[np.bool_], negatives: Mapping[str, Floats]
) -> tuple[int, dict[str, float]]:
    """Return the number of frames with evidence, and the AUC of each score."""
    has_evidence = positive & np.isfinite(scores[EVIDENCE])
    if not has_evidence.any():
        return 0, {}
    aucs = {}
    for name, values in scores.items():
        found = values[has_evidence & np.isfinite(values)]
        if len(found) and len(negatives[name]):
            aucs[name] = float(pairwise_win_rates(found, negatives[name]).mean())
    return int(has_evidence.sum()), aucs


def _cell_scores(scored: ScoredDrive, settled: NDArray[np.bool_], label: Label) -> tuple[float | None, float | None]:
    has_evidence = settled & np.isfinite(scored.predictions.evidence)
    if not has_evidence.any():
        return None, None
    mean = scored.predictions.maps[has_evidence].mean(0) / 255
    by_cell, iou = cell_auc(mean, label.cells()), cell_iou(mean, label.cells())
    return (by_cell if np.isfinite(by_cell) else None), (iou if np.isfinite(iou) else None)
