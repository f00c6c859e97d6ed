"""The plots of the results page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

from ..protocols.figures import EVIDENCE, EpisodeFigures, ScoredDrive
from ..protocols.plan import BAND_NAMES
from ..protocols.summary import Evaluated, auc_of, detection_stats, episodes_of, of_band, of_family

SIDES = ((False, "met in training"), (True, "held out"))
LINE, THRESHOLD, CAUGHT, MISSED, ALARM = "#1f3b57", "#c44e00", "#9ecae1", "#f4b6a6", "#c1272d"
COLOURS = {False: LINE, True: THRESHOLD}


def draw_auc(path: Path, drives: Sequence[Evaluated], families: Sequence[str]) -> None:
    """Plot the AUC of the evidence on settled frames by family and drive, met in training beside held out."""
    figure, both = new_figure(1, 2, (2.6 + 2.2 * len(drives), 1.2 + 0.5 * len(families)), sharey=True)
    for axes, (held_out, title) in zip(both[0], SIDES, strict=True):
        values = np.full((len(families), len(drives)), np.nan)
        for row, family in enumerate(families):
            for column, drive in enumerate(drives):
                mine = episodes_of([drive], held_out, of_family(family))
                values[row, column] = auc_of(mine, EVIDENCE).value
        axes.imshow(values, vmin=0.5, vmax=1.0, cmap="RdYlGn", aspect="auto")
        for row, column in np.ndindex(values.shape):
            value = values[row, column]
            axes.text(column, row, "–" if math.isnan(value) else f"{value:.3f}", ha="center", va="center")
        axes.set_xticks(range(len(drives)), [drive.name for drive in drives], rotation=30, ha="right")
        axes.set_yticks(range(len(families)), [family.replace("_", " ") for family in families])
        axes.set_title(title, fontsize="medium")
    figure.suptitle("AUC of the evidence, settled frames; families", fontsize="medium")
    save_figure(figure, path)


def draw_detections(path: Path, drives: Sequence[Evaluated]) -> None:
    """Plot recall and delay by coverage with their intervals, for families met in training and held out."""
    figure, both = new_figure(1, 2, (11, 4))
    recall, delay = both[0]
    for shift, (held_out, title) in enumerate(SIDES):
        found = [detection_stats(episodes_of(drives, held_out, of_band(number)))
                 for number in range(len(BAND_NAMES))]  # fmt: skip
        positions = np.arange(len(found)) + 0.12 * (shift - 0.5)
        colour = COLOURS[held_out]
        for axes, name, intervals, style in (
            (recall, title, [one.recall for one in found], "o-"),
            (delay, f"median, {title}", [one.median_s for one in found], "o-"),
            (delay, f"90th percentile, {title}", [one.late_s for one in found], "^--"),
        ):
            values, low, high = (np.array([getattr(one, end) for one in intervals]) for end in ("value", "low", "high"))
            axes.errorbar(positions, values, np.maximum([values - low, high - values], 0), fmt=style, color=colour,
                          label=name, capsize=3, lw=1, ms=5)  # fmt: skip
    recall.set_ylabel("share of the episodes detected")
    recall.set_ylim(-0.02, 1.03)
    delay.set_ylabel("seconds from the onset to detection")
    delay.set_ylim(bottom=0)
    for axes in (recall, delay):
        axes.set_xticks(range(len(BAND_NAMES)), BAND_NAMES)
        axes.set_xlabel("share of the lens obscured")
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    save_figure(figure, path)


def draw_evidence(path: Path, passes: Sequence[ScoredDrive], rows: Sequence[EpisodeFigures]) -> None:
    """Plot evidence and alarm over time, one row per pass. Detected episodes are blue, missed ones red."""
    figure, grid = new_figure(len(passes), 1, (12, 1.6 * len(passes) + 0.6), sharex=True)
    delays = {(row.passed, row.number): row.delay_s for row in rows}
    for axes, scored in zip(grid[:, 0], passes, strict=True):
        predictions = scored.predictions
        for number, label in enumerate(scored.labels):
            times_s = predictions.times_s[label.start_index : label.end_index]
            colour = MISSED if delays[scored.name, number] is None else CAUGHT
            axes.axvspan(times_s[0], times_s[-1], color=colour, alpha=0.6, lw=0)
            axes.text(times_s.mean(), 0.96, f"{label.coverage:.0%}", ha="center", va="top", fontsize="small",
                      transform=axes.get_xaxis_transform())  # fmt: skip
        axes.plot(predictions.times_s, predictions.evidence, color=LINE, lw=0.8)
        axes.axhline(1.0, color=THRESHOLD, lw=0.8, ls="--")
        axes.fill_between(predictions.times_s, 0, 0.06, where=_list(predictions.obscured), color=ALARM, lw=0,
                          transform=axes.get_xaxis_transform())  # fmt: skip
        axes.set_ylabel(scored.name.replace("_", " "), fontsize="small")
        axes.set_ylim(bottom=0)
        axes.margins(x=0)
    grid[-1, 0].set_xlabel("seconds of driving")
    save_figure(figure, path)


def _list(marks: NDArray[np.bool_]) -> list[bool]:
    return marks.tolist()


def new_figure(rows: int, columns: int, size: tuple[float, float], sharex: bool = False, sharey: bool = False) -> Any:
    """Return a figure and its axes [rows, columns], for drawing without a display; `size` is in inches."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(
        rows, columns, figsize=size, sharex=sharex, sharey=sharey, squeeze=False, layout="constrained"
    )


def save_figure(figure: Any, path: Path) -> None:
    """Write the figure as PNG and close it."""
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
