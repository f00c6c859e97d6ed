"""The results page of the protocol of held-out cars."""

import math
from collections.abc import Sequence
from pathlib import Path

from ..protocols.cars import CALIBRATIONS_S, CONTINUED, CarFigures, CarsPlan
from ..protocols.cars_summary import CarsRow, by_car, summaries
from .false_alarms import FalseAlarm, write_false_alarms
from .markdown import NOTHING, auc_value, share, table

PAGE = "cars.md"
FIGURES = ("AUC", "caught from 5 %", "2–5 %", "median delay", "90th percentile", "false alarms", "95 % bound")


def write_cars_page(
    path: Path,
    results: Sequence[CarFigures],
    false_alarms: Sequence[FalseAlarm],
    plan: CarsPlan,
    version: str,
    generated: int,
) -> Path:
    """Write the page and, beside it, the pictures of the false alarms; return the path of the page."""
    names = list(dict.fromkeys(each.car for each in results))
    rows = summaries(results)
    refused = [each for each in results if each.refused]
    text = (
        "# Cars held out\n\n"
        f"mle_uvad {version}, width {plan.width}. {len(names)} cars in {plan.folds} folds: {', '.join(names)}. For each"
        f" fold a network was trained on the other cars and {generated} generated drives, {plan.windows} windows, with"
        f" {plan.seeds} seeds. A held-out car was calibrated on nothing, 30 s, or two minutes of its clean driving, and"
        " evaluated on the rest of its drive, with faults of all families in it. AUC: of the evidence on settled frames"
        " of faults from 5 % coverage on, mean over cars and worst car."
        + (
            f" *{CONTINUED.capitalize()}*: the network of the fold, trained further on {plan.continued_windows} windows"
            " of the part of the car's drive that it is calibrated on, with faults in an eighth of it."
            if plan.continued_windows
            else ""
        )
        + f" The nominal rate of a calibration is {plan.false_alarms_per_hour:g} false alarms per hour.\n\n"
        + _table("network, calibrated on", [(_name(row), row) for row in rows])
        + "".join(
            f"\n## {network.capitalize()}, calibrated on {calibration}\n\n"
            + _table("car", list(by_car(results, network, calibration).items()))
            for network in dict.fromkeys(each.network for each in results)
            for calibration in CALIBRATIONS_S
        )
        + (f"\n## False alarms\n\n{write_false_alarms(false_alarms, path.parent)}" if false_alarms else "")
        + "".join(
            f"\n- {each.car}, {each.network}, {each.calibration}, seed {each.seed}: no calibration ({each.refused})"
            for each in refused
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip() + "\n")
    return path


def _name(row: CarsRow) -> str:
    return ", ".join((row.network, row.calibration, *(() if row.seed is None else (f"seed {row.seed}",))))


def _table(first: str, rows: Sequence[tuple[str, CarsRow]]) -> str:
    return table((first, *FIGURES), [(name, *_cells(row)) for name, row in rows])


def _cells(row: CarsRow) -> list[str]:
    return [
        auc_value(row.auc) if row.cars == 1 else f"{auc_value(row.auc)} / {auc_value(row.worst_auc)}",
        share(row.recall),
        share(row.recall_small),
        _seconds(row.median_delay_s),
        _seconds(row.late_delay_s),
        f"{row.false_alarms} in {row.clean_minutes:.1f} min",
        f"{row.rate_bound_per_hour:.1f} per hour",
    ]


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if math.isfinite(value) else NOTHING
