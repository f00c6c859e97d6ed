"""The results page of a comparison of objectives."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..protocols.methods import MethodFigures, MethodsPlan, means
from ..protocols.metrics import sign_free
from .markdown import NOTHING, auc_value, table

PAGE = "methods.md"
HEADER = (
    "method",
    "AUC, own score",
    "sign-free",
    "AUC, PCC",
    "sign-free",
    "own, 5 s median",
    "PCC, 5 s median",
    "training",
    "parameters",
    "ms a frame",
)


def write_methods_page(
    path: Path, results: Mapping[str, Sequence[MethodFigures]], plan: MethodsPlan, version: str
) -> Path:
    """Write the page, a table for each drive and one for all, and return its path."""
    trained = (
        "Trained on the other drives, each judged without its car"
        if plan.held_out
        else "Trained and judged on the same unlabelled frames"
    )
    arranged = "one block at the end" if plan.one_block else "scattered over the drive"
    tables = dict(results)
    if len(results) > 1:
        tables["All drives"] = [row for rows in results.values() for row in rows]
    text = (
        "# Objectives compared\n\n"
        f"mle_uvad {version}, width {plan.width}, {plan.epochs} epochs, {plan.seeds} seeds. {trained}, last epoch."
        f" Rendered faults: one eighth of the frames, {arranged}. AUC: of single frames, abnormal against normal, mean"
        " and range over the seeds; 0.5 is chance. Sign-free: of the mean, with the better of both signs. 5 s median:"
        " AUC of the score after a centred median filter. Mean frame, no faults: of the same frames before the faults"
        " were rendered; away from 0.5, they differ by their places. Training: seconds of the processor.\n"
        + "".join(f"\n## {name}\n\n{methods_table(rows)}" for name, rows in tables.items())
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip() + "\n")
    return path


def methods_table(rows: Sequence[MethodFigures]) -> str:
    """Return a table with a row for each method: means over the seeds."""
    return table(HEADER, [_row(rows, method) for method in dict.fromkeys(row.method for row in rows)])


def _row(rows: Sequence[MethodFigures], method: str) -> list[str]:
    mean, mine = means(rows, method), [row for row in rows if row.method == method]

    def ranged(name: str) -> str:
        values = [getattr(row, name) for row in mine]
        found = f"{mean[name]:.3f} ({min(values):.2f}–{max(values):.2f})"
        return found if math.isfinite(mean[name]) else NOTHING

    costs = (
        [f"{mean['train_s']:.0f} s", f"{mean['parameters'] / 1000:.0f} k", f"{mean['frame_ms']:.1f}"]
        if mean["parameters"]
        else [NOTHING] * 3
    )
    return [
        method,
        ranged("own_auc"),
        auc_value(sign_free(mean["own_auc"])),
        ranged("pcc_auc"),
        auc_value(sign_free(mean["pcc_auc"])),
        ranged("own_smoothed_auc"),
        ranged("pcc_smoothed_auc"),
        *costs,
    ]
