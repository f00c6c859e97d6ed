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
    "seeds",
    "5 s median",
    "training",
    "parameters",
    "ms a frame",
)


def write_methods_page(
    path: Path, results: Mapping[str, Sequence[MethodFigures]], plan: MethodsPlan, version: str
) -> Path:
    """Write the page, a table for each drive, and return its path."""
    arranged = "one block at the end" if plan.one_block else "scattered over the drive"
    text = (
        "# Objectives compared\n\n"
        f"mle_uvad {version}, width {plan.width}, {plan.epochs} epochs, {plan.seeds} seeds. Trained and judged on the"
        f" same unlabelled frames, last epoch. Rendered faults: one eighth of the frames, {arranged}. AUC: of single"
        " frames, abnormal against normal; 0.5 is chance. Sign-free: with the better of both signs. Seeds: range of the"
        " AUC of the PCC. 5 s median: of the PCC after a centred median filter.\n"
        + "".join(f"\n## {name}\n\n{methods_table(rows)}" for name, rows in results.items())
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip() + "\n")
    return path


def methods_table(rows: Sequence[MethodFigures]) -> str:
    """Return the table of one drive: a row for each method, means over the seeds."""
    return table(HEADER, [_row(rows, method) for method in dict.fromkeys(row.method for row in rows)])


def _row(rows: Sequence[MethodFigures], method: str) -> list[str]:
    mean, pccs = means(rows, method), [row.pcc_auc for row in rows if row.method == method]
    costs = (
        [f"{mean['train_s']:.0f} s", f"{mean['parameters'] / 1000:.0f} k", f"{mean['frame_ms']:.1f}"]
        if mean["parameters"]
        else [NOTHING] * 3
    )
    return [
        method,
        auc_value(mean["own_auc"]),
        auc_value(sign_free(mean["own_auc"])),
        auc_value(mean["pcc_auc"]),
        _range(pccs),
        auc_value(mean["smoothed_auc"]),
        *costs,
    ]


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3f}–{max(values):.3f}" if math.isfinite(min(values)) else NOTHING
