"""Summarise the figures of episodes and passes over drives, with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .figures import EVIDENCE, PCC, EpisodeFigures, PassFigures
from .metrics import Array, Interval, bootstrap, weighted_mean
from .paper import PaperFigures
from .plan import BANDS, band
from .product import Product

EpisodesByDrive = Mapping[str, Sequence[EpisodeFigures]]
Which = Callable[[EpisodeFigures], bool]


@dataclass(frozen=True)
class Evaluated:
    """The results on one drive."""

    name: str
    generated: bool
    seconds: float  # of driving
    records: int
    product: Product | None  # None: not requested, or the drive is too short
    paper: list[PaperFigures]


@dataclass(frozen=True)
class DetectionStats:
    """Recall and delay of the detection of episodes."""

    episodes: int
    recall: Interval
    median_s: Interval  # delay from the onset, of the detected episodes
    late_s: Interval  # 90th percentile


def of_family(family: str | None) -> Which:
    """Select the episodes of a family; all for None."""
    return lambda episode: family in (None, episode.family)


def of_time_profile(time_profile: str) -> Which:
    """Select the episodes with a time profile."""
    return lambda episode: episode.time_profile == time_profile


EVERY = of_family(None)


def of_band(number: int) -> Which:
    """Select the episodes of a coverage band."""
    return lambda episode: band(episode.coverage) == number


def episodes_of(drives: Sequence[Evaluated], held_out: bool, which: Which = EVERY) -> dict[str, list[EpisodeFigures]]:
    """Return the episodes by drive, of detectors that were trained with their family or without it."""
    return {
        drive.name: [row for row in drive.product.episodes if row.held_out == held_out and which(row)]
        for drive in drives
        if drive.product
    }


def auc_of(episodes: EpisodesByDrive, score: str, settled: bool = True) -> Interval:
    """Return the AUC of a score over the episodes of several drives, each against the clean frames of its own drive."""
    rows = [
        _rows((row.auc[score], row.frames) if settled else (row.auc_all[score], row.frames_all)
              for row in mine if score in (row.auc if settled else row.auc_all))
        for mine in episodes.values()
    ]  # fmt: skip
    return bootstrap(rows, weighted_mean)


def detection_stats(episodes: EpisodesByDrive) -> DetectionStats:
    """Compute recall and delays."""
    delays = [
        np.array([[math.nan if row.delay_s is None else row.delay_s] for row in mine]).reshape(-1, 1)
        for mine in episodes.values()
    ]
    return DetectionStats(
        sum(map(len, delays)),
        bootstrap(delays, lambda rows: float(np.isfinite(rows).mean())),
        bootstrap(delays, lambda rows: _quantile(rows, 0.5)),
        bootstrap(delays, lambda rows: _quantile(rows, 0.9)),
    )


def cell_scores(episodes: EpisodesByDrive) -> tuple[Interval, Interval]:
    """Return cell AUC and cell IoU of the evidence map, averaged over episodes."""
    found = []
    for field in ("cell_auc", "cell_iou"):
        values = [[getattr(row, field) for row in mine] for mine in episodes.values()]
        found.append(bootstrap([_rows((v, 1.0) for v in mine if v is not None) for mine in values], weighted_mean))
    return found[0], found[1]


def caught_from(episodes: EpisodesByDrive) -> tuple[float, float]:
    """Return the smallest coverage detected and the largest missed; NaN if there is none."""
    rows = [row for mine in episodes.values() for row in mine]
    caught = [row.coverage for row in rows if row.delay_s is not None]
    missed = [row.coverage for row in rows if row.delay_s is None]
    return min(caught, default=math.nan), max(missed, default=math.nan)


@dataclass(frozen=True)
class FalseAlarmStats:
    """False alarms on clean frames."""

    false_alarms: int
    hours: float
    held: float  # share of the time with an alarm


def false_alarm_stats(passes: Sequence[PassFigures], wet: bool) -> FalseAlarmStats:
    """Summarise the passes without an episode, or the time between the episodes of wet passes."""
    chosen = [row for row in passes if bool(row.family) == wet]
    clean_s = sum(row.clean_s for row in chosen)
    held_s = sum(row.held_s for row in chosen)
    return FalseAlarmStats(sum(row.false_alarms for row in chosen), clean_s / 3600, held_s / max(clean_s, 1e-9))


def paper_auc(runs: Sequence[PaperFigures], family: str | None = None) -> Interval:
    """Return the AUC of the PCC over the seeds of one preset on one drive, of all families or one."""
    rows = _rows(
        (episode.auc, episode.frames) for run in runs for episode in run.episodes if family in (None, episode.family)
    )
    return bootstrap([rows], weighted_mean)


def headline(drive: Evaluated) -> dict[str, float | int | None]:
    """Return the headline figures of a drive; None where a figure is undefined."""
    figures: dict[str, float] = {}
    if drive.product:
        large = episodes_of([drive], False, lambda episode: episode.coverage >= BANDS[1])
        found = detection_stats(large)
        clean_passes = false_alarm_stats([row for row in drive.product.passes if not row.held_out], wet=False)
        figures = {
            "evidence_auc": auc_of(episodes_of([drive], False), EVIDENCE).value,
            "evidence_auc_held_out": auc_of(episodes_of([drive], True), EVIDENCE).value,
            "pcc_auc": auc_of(episodes_of([drive], False), PCC).value,
            "caught_from_5_percent": found.recall.value,
            "median_delay_s": found.median_s.value,
            "false_alarms": clean_passes.false_alarms,
            "clean_minutes": clean_passes.hours * 60,
        }
    for preset in dict.fromkeys(run.preset for run in drive.paper):
        figures[f"paper_protocol_auc_{preset.replace(' ', '_')}"] = paper_auc(
            [run for run in drive.paper if run.preset == preset]
        ).value
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def _rows(pairs: Iterable[tuple[float, float]]) -> Array:
    return np.array(list(pairs), np.float64).reshape(-1, 2)


def _quantile(rows: Array, share: float) -> float:
    finite = rows[np.isfinite(rows)]
    return float(np.quantile(finite, share)) if len(finite) else math.nan
