"""The plot of a drive: PCC and evidence over time, wet episodes shaded, alarms below."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from ...edge.evidence import Thresholds
from ..simulation.labels import Label

WET, LINE, THRESHOLD, ALARM = "#9ecae1", "#1f3b57", "#c44e00", "#c1272d"


def draw_timeline(
    path: Path,
    labels: Sequence[Label],
    thresholds: Thresholds,
    pccs: NDArray[np.float64],
    evidence: NDArray[np.float64],
    obscured: NDArray[np.bool_],
    hz: float,
) -> None:
    """Write the plot as PNG. `pccs`, `evidence` (both NaN where undefined) and `obscured` are of the frames [N]."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    seconds = np.arange(len(pccs)) / hz
    figure, (upper, lower) = pyplot.subplots(2, 1, sharex=True, figsize=(12, 6), layout="constrained")
    for axes in (upper, lower):
        for number, label in enumerate(labels):
            name = "wet lens" if number == 0 else None
            axes.axvspan(label.start_index / hz, label.end_index / hz, color=WET, alpha=0.5, lw=0, label=name)
    upper.plot(seconds, pccs, color=LINE, lw=0.7, label="PCC of each frame")
    low, _, high = thresholds.pcc
    upper.axhline(low, color=THRESHOLD, lw=1, ls="--", label=f"thresholds of the average PCC: {low:.3f} and {high:.3f}")
    upper.axhline(high, color=THRESHOLD, lw=1, ls="--")
    upper.set_ylabel("PCC")
    lower.plot(seconds, evidence, color=LINE, lw=1, label="evidence")
    lower.axhline(1.0, color=THRESHOLD, lw=1, ls="--", label="alarm threshold")
    lower.fill_between(seconds, 0, 0.06, where=list(obscured), color=ALARM, lw=0, transform=lower.get_xaxis_transform(),
                       label="obscured")  # fmt: skip
    for label in labels:
        middle = (label.start_index + label.end_index) / 2 / hz
        lower.text(middle, 0.96, f"{label.coverage:.0%}", ha="center", va="top", transform=lower.get_xaxis_transform())
    lower.set_ylabel("evidence")
    lower.set_ylim(bottom=0)
    lower.set_xlabel("seconds")
    for axes in (upper, lower):
        axes.legend(loc="lower left", fontsize="small", framealpha=0.9)
        axes.margins(x=0)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
