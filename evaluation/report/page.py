"""The results page in Markdown. Every figure on it comes from the rows of the evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from ..protocols.metrics import sign_free
from ..protocols.paper import MEAN_FRAME
from ..protocols.plan import PAPER_PRESETS, Plan
from ..protocols.summary import Evaluated, paper_auc
from . import markdown as md
from .product_page import Plots, product_page

PAGE = "results-evaluate.md"


def write_report(path: Path, drives: Sequence[Evaluated], plan: Plan, version: str, plots: Plots) -> None:
    """Write the page for the drives of one plan."""
    parts = [
        "# Results of `mle-uvad evaluate`\n",
        f"Written by the command, version {version}; width {plan.width}, {plan.epochs} epochs, seed {plan.seed}. Ranges"
        " are 95 % intervals of a bootstrap over episodes and drives. AUC: the share of pairs in which the obscured"
        " frame scores higher; 0.5 is chance.\n",
    ]
    if judged := [drive for drive in drives if drive.product]:
        parts += product_page(judged, plan, plots)
    if trained := [drive for drive in drives if drive.paper]:
        parts += _paper(trained, plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(part for part in parts if part))


def _paper(drives: Sequence[Evaluated], plan: Plan) -> list[str]:
    rows, by_family = [], []
    for drive in drives:
        for preset in (*PAPER_PRESETS, MEAN_FRAME):
            runs = [run for run in drive.paper if run.preset == preset]
            whole, seeds = paper_auc(runs), [paper_auc([run]).value for run in runs]
            flagged = [md.share(fmean(values)) for values in zip(*((r.flagged_clean, r.flagged_wet) for r in runs))]  # noqa: B905
            latents = Counter(run.latent for run in runs if run.latent)
            rows.append([drive.name, preset, md.ranged(whole), f"{min(seeds):.3f}–{max(seeds):.3f}",
                         md.auc_value(sign_free(whole.value)), *flagged,
                         md.auc_value(fmean(run.mean_pcc for run in runs)),
                         ", ".join(f"{count} {name}" for name, count in latents.items()) or md.NOTHING])  # fmt: skip
            by_family.append(
                [drive.name, preset, *(md.auc_value(paper_auc(runs, each).value) for each in plan.families)]
            )
    header = ["drive", "model", "AUC", "seeds", "sign-free", "clean flagged", "obscured flagged", "mean PCC", "latent"]
    return [
        "## The paper protocol\n",
        "One eighth obscured, all families in turn, trained and tested on the same unlabelled frames, last epoch,"
        f" {plan.paper_seeds} seed(s), each with different faults. AUC of a low PCC on single frames. Flagged: below"
        " µ − 0.5σ of the drive.\n",
        md.table(header, rows),
        "By family:\n",
        md.table(["drive", "model", *map(md.words, plan.families)], by_family),
    ]
