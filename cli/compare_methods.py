"""What `mle-uvad evaluate --protocol paper --methods` does: compare objectives on drives, or on given frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..edge.errors import InputError
from ..edge.tubs.tub import Tub
from .app import print_figures
from .demo import DemoDisplay


def compare_methods(
    tubs: Sequence[Path],
    generated: int,
    frames: tuple[Path | None, Path | None],
    changes: dict[str, Any],
    out: Path,
    docs: Path,
    open_tub: Callable[[Path], Tub],
    *,
    quick: bool,
    as_json: bool,
) -> None:
    """Compare on tubs, generated drives, and `frames`, a folder and its labels; `changes` are those of the plan.

    Raises InputError for frames without labels or labels without frames, and for a plan that cannot be.
    """
    from ..evaluation.evaluate_methods import Given, run_methods_evaluation
    from ..evaluation.protocols.methods import QUICK_METHODS, MethodsPlan, means
    from ..evaluation.simulation.frames_dir import FramesDir

    folder, labels = frames
    if (folder is None) != (labels is None):
        raise InputError("frames and their labels belong together; give both --frames-dir and --labels")
    plan = replace(QUICK_METHODS if quick else MethodsPlan(), **changes)
    given = Given(tubs, generated, FramesDir(folder, labels) if folder and labels else None)
    page, results = run_methods_evaluation(given, plan, out, docs, DemoDisplay(), open_tub)
    figures = {
        name: {method: _defined(means(rows, method)) for method in dict.fromkeys(row.method for row in rows)}
        for name, rows in results.items()
    }
    lines = [
        f"{name}, {method}: AUC {each['own_auc']:.3f} by its own score"
        + ("" if each["pcc_auc"] is None else f", {each['pcc_auc']:.3f} by the PCC")
        for name, by_method in figures.items()
        for method, each in by_method.items()
    ]
    print_figures({"page": str(page), "drives": figures}, "\n".join([*lines, f"full results: {page}"]), as_json)


def _defined(figures: dict[str, float]) -> dict[str, float | None]:
    """Put None, which JSON knows, in the place of a figure that a method has not."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
