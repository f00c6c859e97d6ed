"""Summarise the protocol of held-out cars: a row for each calibration and training, and a row for each car."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .cars import CALIBRATIONS_S, CarFigures
from .figures import EVIDENCE, EpisodeFigures
from .metrics import Array, poisson_upper_bound, weighted_mean
from .plan import BANDS


@dataclass(frozen=True)
class CarsRow:
    """Figures over cars, or of one car. NaN where there is no data."""

    network: str
    calibration: str
    seed: int | None  # None: of all trainings
    cars: int
    auc: float  # mean over cars of the AUC of the evidence on settled frames, faults from 5 % on
    worst_auc: float  # of the worst car
    recall: float  # of episodes from 5 % on
    recall_small: float  # of smaller ones
    median_delay_s: float  # of the detected episodes from 5 % on
    late_delay_s: float  # 90th percentile
    false_alarms: int
    clean_minutes: float
    rate_bound_per_hour: float  # 95 % upper bound of the false-alarm rate


def summarise(results: Sequence[CarFigures], network: str, calibration: str, seed: int | None) -> CarsRow:
    """Summarise the results of one network with one calibration, of one training or, for None, of all."""
    chosen = [
        each
        for each in results
        if (each.network, each.calibration) == (network, calibration) and seed in (None, each.seed)
    ]
    aucs = np.array([car_auc(each) for each in chosen])
    large, small = (
        [row for each in chosen for row in each.episodes if (row.coverage >= BANDS[1]) == wanted]
        for wanted in (True, False)
    )
    delays = [row.delay_s for row in large if row.delay_s is not None]
    alarms = sum(row.false_alarms for each in chosen for row in each.passes)
    clean_s = sum(row.clean_s for each in chosen for row in each.passes)
    return CarsRow(
        network,
        calibration,
        seed,
        cars=len({each.car for each in chosen}),
        auc=float(np.nanmean(aucs)),
        worst_auc=float(np.nanmin(aucs)),
        recall=_recall(large),
        recall_small=_recall(small),
        median_delay_s=float(np.median(delays)) if delays else np.nan,
        late_delay_s=float(np.quantile(delays, 0.9)) if delays else np.nan,
        false_alarms=alarms,
        clean_minutes=clean_s / 60,
        rate_bound_per_hour=poisson_upper_bound(alarms, clean_s / 3600),
    )


def summaries(results: Sequence[CarFigures]) -> list[CarsRow]:
    """Summarise each network and calibration: over all trainings first, then by training if there are several."""
    seeds = sorted({each.seed for each in results})
    return [
        summarise(results, network, calibration, seed)
        for network in dict.fromkeys(each.network for each in results)
        for calibration in CALIBRATIONS_S
        for seed in (None, *(seeds if len(seeds) > 1 else ()))
    ]


def by_car(results: Sequence[CarFigures], network: str, calibration: str) -> dict[str, CarsRow]:
    """Summarise each car over all trainings."""
    names = dict.fromkeys(each.car for each in results)
    return {
        name: summarise([each for each in results if each.car == name], network, calibration, None) for name in names
    }


def car_auc(figures: CarFigures) -> float:
    """Return the AUC of the evidence on settled frames over the episodes from 5 % on; NaN if there are none."""
    rows = [(row.auc[EVIDENCE], row.frames) for row in figures.episodes if row.coverage >= BANDS[1] and row.auc]
    return weighted_mean(np.array(rows, np.float64).reshape(-1, 2))


def _recall(rows: Sequence[EpisodeFigures]) -> float:
    found: Array = np.array([row.delay_s is not None for row in rows], np.float64)
    return float(found.mean()) if len(found) else np.nan
