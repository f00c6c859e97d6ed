"""`mle-uvad evaluate`: measure the detector and the comparison models on drives with rendered lens faults."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
    compared = methods is not None or frames_dir is not None or labels is not None
    _require_protocol(protocol, compared, on_frames=frames_dir is not None)
    recorded, failed = open_drives(tubs_of(tubs, every=every), camera, hz) if tubs else ([], {})
    print_failed(failed, "not evaluated")  # before hours of work on the others
    open_tub = partial(open_drive, camera=camera, hz=hz)
    drives = _Drives([tub.folder for tub in recorded], generated, out, docs or out / "page", open_tub)
    if compared:
        changes = _given(
            methods=_methods_named(methods, on_frames=frames_dir is not None),
            width=width,
            epochs=epochs,
            seeds=seeds,
            seconds=paper_seconds,
            one_block=one_block,
            held_out=protocol == CARS,
            seed=seed,
        )
        compare_methods(
            drives.tubs,
            0 if frames_dir else generated,
            (frames_dir, labels),
            changes,
            drives.out,
            drives.docs,
            drives.open_tub,
            quick=quick,
            as_json=as_json,
        )
    elif protocol == CARS:
        changes = _given(
            width=width, windows=windows, seeds=seeds, seed=seed, continued_windows=None if continued else 0
        )
        _evaluate_cars(drives, changes, quick=quick, as_json=as_json)
    else:
        changes = _given(
            width=width,
            epochs=epochs,
            windows=windows,
            held_out=None if held_out is None else tuple(held_out.split(",") if held_out != "none" else ()),
            time_profiles=None if courses is None else tuple(courses.split(",")),
            paper_seeds=seeds,
            paper_s=paper_seconds,
            seed=seed,
        )
        _evaluate_drives(drives, protocol, changes, quick=quick, as_json=as_json)
    if failed:
        raise typer.Exit(3)


@dataclass(frozen=True)
class _Drives:
    """What to evaluate on, and where the work and the page go."""

    tubs: Sequence[Path]
    generated: int
    out: Path
    docs: Path
    open_tub: Callable[[Path], Tub]


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that were given: the others are for the plan to choose."""
    return {name: value for name, value in options.items() if value is not None}


def _require_protocol(protocol: str, compared: bool, *, on_frames: bool) -> None:
    """Raise InputError for a protocol that is none, or that compares no methods."""
    known = ("paper",) if on_frames else ("paper", CARS) if compared else ("product", "paper", BOTH, CARS)
    if protocol in known:
        return
    if compared:
        raise InputError(
            f"--methods belongs to --protocol paper or cars, --frames-dir to paper, not {protocol}; add that"
        )
    raise InputError(f"protocol is {protocol!r}; choose one of {', '.join(known)}")


def _methods_named(names: str | None, *, on_frames: bool) -> tuple[str, ...]:
    """Return the objectives to compare; `all` are those that can be trained on what is given."""
    if names not in (None, "all"):
        return tuple(str(names).split(","))
    return tuple(name for name in OBJECTIVES if not (on_frames and name in TAGGED))


def _evaluate_drives(drives: _Drives, protocol: str, changes: Mapping[str, Any], *, quick: bool, as_json: bool) -> None:
    from ..evaluation.evaluate import PROTOCOLS, run_evaluation
    from ..evaluation.protocols.plan import QUICK, Plan
    from ..evaluation.protocols.summary import headline

    plan = replace(QUICK if quick else Plan(), **changes)
    protocols = PROTOCOLS if protocol == BOTH else (protocol,)
    page, evaluated = run_evaluation(
        drives.tubs, drives.generated, protocols, plan, drives.out, drives.docs, DemoDisplay(), drives.open_tub
    )
    found = {drive.name: headline(drive) for drive in evaluated}
    lines = [f"{name}: {_line(figures)}" for name, figures in found.items()]
    print_figures({"page": str(page), "drives": found}, "\n".join([*lines, f"full results: {page}"]), as_json)
    say_next(f"less {shlex.quote(str(page))}")


def _evaluate_cars(drives: _Drives, changes: Mapping[str, Any], *, quick: bool, as_json: bool) -> None:
    from ..evaluation.evaluate_cars import run_cars_evaluation
    from ..evaluation.protocols.cars import QUICK_CARS, CarsPlan

    plan = replace(QUICK_CARS if quick else CarsPlan(), **changes)
    page, rows = run_cars_evaluation(
        drives.tubs, drives.generated, plan, drives.out, drives.docs, DemoDisplay(), drives.open_tub
    )
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
