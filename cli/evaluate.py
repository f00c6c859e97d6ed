"""`mle-uvad evaluate`: measure the detector and the comparison models on drives with rendered lens faults."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..edge.errors import InputError
from ..edge.tubs.times import open_drive
from ..edge.tubs.tub import Tub
from ..training.objectives.names import OBJECTIVES, TAGGED
from .app import Json, print_figures, require_extra
from .compare_methods import compare_methods
from .console import say_next
from .demo import DemoDisplay
from .drives import CameraField, EveryTub, Hz, open_drives, print_failed, tubs_of

BOTH, CARS = "both", "cars"


def evaluate(
    tubs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="TUB...", help="Recorded drives with a clear lens. Optional.", show_default="generated drives only"
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Work folder. An interrupted evaluation in it is resumed.")] = Path(
        "evaluation"
    ),
    docs: Annotated[
        Path | None, typer.Option(help="Folder for the results page. Default: `page` in the work folder.")
    ] = None,
    generated: Annotated[int, typer.Option(min=0, help="Number of synthetic drives to add to the tubs.")] = 1,
    protocol: Annotated[
        str,
        typer.Option(
            help="product, paper, both, or cars: each TUB is a car, held out in turn from a training on the others."
        ),
    ] = BOTH,
    quick: Annotated[bool, typer.Option("--quick", help="Run a small version in about three minutes.")] = False,
    width: Annotated[
        str | None, typer.Option(help="narrow, medium or wide. Default: medium, or narrow with --quick.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each training. Default: 70, or 4 with --quick.")] = None,
    windows: Annotated[
        int | None,
        typer.Option(
            help="Training windows rendered for each detector. Default: 49152, for cars 45000, or 960 with --quick."
        ),
    ] = None,
    held_out: Annotated[
        str | None,
        typer.Option(
            help="Fault families to leave out of training, comma-separated, or `none`. Default: each in turn, or mud"
            " with --quick."
        ),
    ] = None,
    courses: Annotated[
        str | None,
        typer.Option(
            help="How faults develop over time, comma-separated and used in turn: sudden, growth, slide, drying."
            " Default: half are sudden."
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Number of seeds of the paper protocol. Default: 3, or 1 with --quick.")
    ] = None,
    paper_seconds: Annotated[
        float | None,
        typer.Option(
            help="Longest part of a drive to use in the paper protocol, in seconds.", show_default="all of it"
        ),
    ] = None,
    continued: Annotated[
        bool,
        typer.Option(help="In the protocol cars: also continue each network on the held-out car's own drive."),
    ] = True,
    methods: Annotated[
        str | None,
        typer.Option(
            help="With --protocol paper: the objectives of `train` to compare, comma-separated, or `all`; each is"
            " trained on the same drive and judged by its own score and by the PCC. With --protocol cars each is"
            " trained on the other drives.",
            show_default="those of the paper",
        ),
    ] = None,
    frames_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder with a folder of numbered frames for each clip, as of UCSD Ped2; needs --labels.",
            show_default="none",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="File or folder with the truth of each frame: .npy, .txt, .csv, .m, or folders of masks.",
            show_default="none",
        ),
    ] = None,
    one_block: Annotated[
        bool, typer.Option("--one-block", help="With --methods: the abnormal frames are one block at the end.")
    ] = False,
    every: EveryTub = False,
    camera: CameraField = None,
    hz: Hz = None,
    seed: Annotated[int, typer.Option(min=0, help="Each number gives other faults and other weights.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure the detector, the paper's method and the baselines on drives with rendered lens faults."""
    require_extra("train,export,report", "torch", "onnx", "scipy", "matplotlib")
    if methods is not None or frames_dir is not None or labels is not None:
        if protocol not in (("paper", CARS) if frames_dir is None else ("paper",)):
            raise InputError(
                f"--methods belongs to --protocol paper or cars, --frames-dir to paper, not {protocol}; add that"
            )
        given_methods: dict[str, Any] = {
            "methods": _methods_named(methods, on_frames=frames_dir is not None),
            "width": width,
            "epochs": epochs,
            "seeds": seeds,
            "seconds": paper_seconds,
            "one_block": one_block,
            "held_out": protocol == CARS,
            "seed": seed,
        }
        recorded, failed = open_drives(tubs_of(tubs, every=every), camera, hz) if tubs else ([], {})
        compare_methods(
            [tub.folder for tub in recorded],
            0 if frames_dir else generated,
            (frames_dir, labels),
            {name: value for name, value in given_methods.items() if value is not None},
            out,
            docs or out / "page",
            partial(open_drive, camera=camera, hz=hz),
            quick=quick,
            as_json=as_json,
        )
        _exit_if_failed(failed)
        return
    if protocol == CARS:
        given_cars = {"width": width, "windows": windows, "seeds": seeds, "seed": seed}
        recorded, failed = open_drives(tubs_of(tubs, every=every), camera, hz) if tubs else ([], {})
        _evaluate_cars(
            [tub.folder for tub in recorded],
            out,
            docs or out / "page",
            generated,
            quick,
            continued,
            given_cars,
            as_json,
            partial(open_drive, camera=camera, hz=hz),
        )
        _exit_if_failed(failed)
        return
    from ..evaluation.evaluate import PROTOCOLS, run_evaluation
    from ..evaluation.protocols.plan import QUICK, Plan
    from ..evaluation.protocols.summary import headline

    if protocol not in (*PROTOCOLS, BOTH):
        raise InputError(f"protocol is {protocol!r}; choose one of {', '.join((*PROTOCOLS, BOTH, CARS))}")
    given: dict[str, Any] = {
        "width": width,
        "epochs": epochs,
        "windows": windows,
        "held_out": None if held_out is None else tuple(held_out.split(",") if held_out != "none" else ()),
        "time_profiles": None if courses is None else tuple(courses.split(",")),
        "paper_seeds": seeds,
        "paper_s": paper_seconds,
        "seed": seed,
    }
    plan = replace(QUICK if quick else Plan(), **{name: value for name, value in given.items() if value is not None})
    protocols = PROTOCOLS if protocol == BOTH else (protocol,)
    recorded, failed = open_drives(tubs_of(tubs, every=every), camera, hz) if tubs else ([], {})
    page, drives = run_evaluation(
        [tub.folder for tub in recorded],
        generated,
        protocols,
        plan,
        out,
        docs or out / "page",
        DemoDisplay(),
        partial(open_drive, camera=camera, hz=hz),
    )
    found = {drive.name: headline(drive) for drive in drives}
    lines = [f"{name}: {_line(figures)}" for name, figures in found.items()]
    print_figures({"page": str(page), "drives": found}, "\n".join([*lines, f"full results: {page}"]), as_json)
    say_next(f"less {shlex.quote(str(page))}")
    _exit_if_failed(failed)


def _exit_if_failed(failed: dict[str, str]) -> None:
    if failed:
        print_failed(failed, "not evaluated")
        raise typer.Exit(3)


def _methods_named(names: str | None, *, on_frames: bool) -> tuple[str, ...]:
    """Return the objectives to compare; `all` are those that can be trained on what is given."""
    if names not in (None, "all"):
        return tuple(str(names).split(","))
    return tuple(name for name in OBJECTIVES if not (on_frames and name in TAGGED))


def _evaluate_cars(
    tubs: list[Path],
    out: Path,
    docs: Path,
    generated: int,
    quick: bool,
    continued: bool,
    given: Mapping[str, Any],
    as_json: bool,
    open_tub: Callable[[Path], Tub],
) -> None:
    from ..evaluation.evaluate_cars import run_cars_evaluation
    from ..evaluation.protocols.cars import QUICK_CARS, CarsPlan

    plan = QUICK_CARS if quick else CarsPlan()
    if not continued:
        plan = replace(plan, continued_windows=0)
    plan = replace(plan, **{name: value for name, value in given.items() if value is not None})
    page, rows = run_cars_evaluation(tubs, generated, plan, out, docs, DemoDisplay(), open_tub)
    lines = [
        f"{row.network}, calibrated on {row.calibration}: AUC {row.auc:.3f}, worst car {row.worst_auc:.3f}, caught"
        f" from 5 % {row.recall:.0%}, {row.false_alarms} false alarms in {row.clean_minutes:.1f} minutes"
        for row in rows
        if row.seed is None
    ]
    figures = {
        "page": str(page),
        "rows": [{name: value if value == value else None for name, value in asdict(row).items()} for row in rows],
    }
    print_figures(figures, "\n".join([*lines, f"full results: {page}"]), as_json)
    say_next(f"less {shlex.quote(str(page))}")


def _line(figures: Mapping[str, float | int | None]) -> str:
    shown = (f"{value:.3f}" if isinstance(value, float) else value for value in figures.values())
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in zip(figures, shown, strict=True))
