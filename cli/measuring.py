"""The command that measures everything, and what a terminal shows of it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..edge.errors import InputError
from .app import Json, app, print_figures, require_extra

BOTH = "both"


@app.command()
def evaluate(
    tubs: Annotated[
        list[Path] | None, typer.Argument(metavar="TUB...", help="Recorded drives with a clear lens; none is needed.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Work folder; an interrupted evaluation there goes on.")] = Path(
        "evaluation"
    ),
    docs: Annotated[
        Path | None, typer.Option(help="Folder of the results page. Default: `page` in the work folder.")
    ] = None,
    generated: Annotated[int, typer.Option(min=0, help="Made-up drives to evaluate beside the tubs.")] = 1,
    protocol: Annotated[str, typer.Option(help="product, paper or both.")] = BOTH,
    quick: Annotated[bool, typer.Option("--quick", help="Little of everything, in three minutes.")] = False,
    width: Annotated[str | None, typer.Option(help="narrow, medium or wide. Default: medium, quick narrow.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of every training. Default: 70, quick 4.")] = None,
    windows: Annotated[
        int | None, typer.Option(help="Faults rendered for each detector. Default: 16384, quick 960.")
    ] = None,
    held_out: Annotated[
        str | None, typer.Option(help="Fault families to train without, by commas; `none`. Default: each, quick mud.")
    ] = None,
    courses: Annotated[
        str | None,
        typer.Option(help="How faults develop, in turn: sudden, growth, slide, drying. Default: half sudden."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Of the paper protocol. Default: 3, quick 1.")] = None,
    paper_seconds: Annotated[float | None, typer.Option(help="Of a drive, at most, in the paper protocol.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another number: other faults, other weights.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure the detector, the paper's method and the baselines on drives with rendered lens faults."""
    require_extra("train,export,report", "torch", "onnx", "scipy", "matplotlib")
    from ..evaluation.evaluate import PROTOCOLS, run_evaluation
    from ..evaluation.protocols.plan import QUICK, Plan
    from ..evaluation.protocols.summary import headline
    from .demo import DemoDisplay

    if protocol not in (*PROTOCOLS, BOTH):
        raise InputError(f"protocol is {protocol!r}; choose one of {', '.join((*PROTOCOLS, BOTH))}")
    given: dict[str, Any] = {
        "width": width,
        "epochs": epochs,
        "windows": windows,
        "held_out": None if held_out is None else tuple(held_out.split(",") if held_out != "none" else ()),
        "courses": None if courses is None else tuple(courses.split(",")),
        "paper_seeds": seeds,
        "paper_s": paper_seconds,
        "seed": seed,
    }
    plan = replace(QUICK if quick else Plan(), **{name: value for name, value in given.items() if value is not None})
    protocols = PROTOCOLS if protocol == BOTH else (protocol,)
    page, drives = run_evaluation(tubs or [], generated, protocols, plan, out, docs or out / "page", DemoDisplay())
    found = {drive.name: headline(drive) for drive in drives}
    lines = [f"{name}: {_line(figures)}" for name, figures in found.items()]
    print_figures({"page": str(page), "drives": found}, "\n".join([*lines, f"all of it: {page}"]), as_json)


def _line(figures: Mapping[str, float | int | None]) -> str:
    told = (f"{value:.3f}" if isinstance(value, float) else value for value in figures.values())
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in zip(figures, told, strict=True))
