"""The commands `mle-uvad …` and `export-model`: parse, call, print. Heavy imports wait for their command."""

import json
import sys
from collections import Counter
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from .. import __version__
from ..calibration import Calibration, calibrate_on_tub
from ..edge.bundle import CALIBRATION_FILE, Bundle
from ..edge.errors import InputError
from ..edge.monitor import Monitor
from ..edge.replay import write_scores
from ..edge.scorer import Scorer
from ..edge.tub import Tub
from .console import Bar, console
from .tables import print_events, print_skipped

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Tells a Donkeycar that its lens is obscured: raindrops, dirt, a smear.",
)

Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
TubFolder = Annotated[Path, typer.Argument(metavar="TUB", help="Folder of a recorded drive, with manifest.json.")]
BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder that `export-model` wrote.")]


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
) -> None:
    if show:
        print(__version__)
        raise typer.Exit


@app.command()
def train(
    tubs: Annotated[
        list[Path], typer.Argument(metavar="TUB...", help="Drives, unlabelled; wet frames may be among them.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run there goes on.")],
    preset: Annotated[
        str, typer.Option(help="paper: the literal reading; robust: guarded against collapse.")
    ] = "robust",
    objective: Annotated[str | None, typer.Option(help="mle or mse.")] = None,
    width: Annotated[str | None, typer.Option(help="narrow, medium or wide.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the frames; 70 in the paper.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Frames a step; 256 in the paper.")] = None,
    lr: Annotated[float | None, typer.Option(help="Adam's learning rate; 5e-4 in the paper.")] = None,
    latent: Annotated[int | None, typer.Option(help="Numbers between encoder and decoder; 32 in the paper.")] = None,
    sigma: Annotated[float | None, typer.Option(help="Width of the entropy's kernel; 0.1 in the paper.")] = None,
    entropy_weight: Annotated[
        float | None, typer.Option("--lambda", help="Weight of the entropy; 1 in the paper.")
    ] = None,
    kernel: Annotated[str | None, typer.Option(help="joint or per_dimension.")] = None,
    squared_error: Annotated[str | None, typer.Option(help="sum or mean over the pixels.")] = None,
    latent_mode: Annotated[str | None, typer.Option(help="free, noisy, bounded or standardised.")] = None,
    entropy_start: Annotated[str | None, typer.Option(help="at_once or on_progress.")] = None,
    self_pairs: Annotated[bool | None, typer.Option(help="Count i = j in the entropy.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same weights.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train an autoencoder on recorded drives."""
    _require_extra("train", "torch", "safetensors")
    from ..training.settings import PRESETS
    from ..training.train import pick_device, train_tubs
    from .train import TrainingDisplay

    if preset not in PRESETS:
        raise InputError(f"preset is {preset!r}; choose one of {', '.join(PRESETS)}")
    given = {
        "objective": objective,
        "width": width,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": lr,
        "latent": latent,
        "sigma": sigma,
        "entropy_weight": entropy_weight,
        "kernel": kernel,
        "squared_error": squared_error,
        "latent_mode": latent_mode,
        "entropy_start": entropy_start,
        "self_pairs": self_pairs,
        "seed": seed,
    }
    settings = replace(PRESETS[preset], **{name: value for name, value in given.items() if value is not None})
    drives = [Tub(tub) for tub in tubs]
    with TrainingDisplay(settings.epochs) as display:
        cache = train_tubs(drives, settings, out, pick_device(device), display)
    console.print(f"trained {out}; next: export-model {out} --out BUNDLE")
    skipped = [skip for drive in drives for skip in drive.skipped] + cache.skipped
    _leave_for(skipped)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished training.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle; on the car it is models/lens.")],
    target: Annotated[str, typer.Option(help="onnx.")] = "onnx",
    as_json: Json = False,
) -> None:
    """Export a trained run to a bundle, checked against PyTorch."""
    _require_extra("export", "torch", "onnx")
    from ..export.bundle import export_bundle

    bundle = export_bundle(run, out, target)
    figures = {"bundle": str(out), "bytes": len(bundle.model), "sha256": bundle.sha256, **bundle.parity}
    _print_figures(
        figures,
        f"{out}: {len(bundle.model) / 1e6:.2f} MB for frames {bundle.width}x{bundle.height}; PCC differs from PyTorch"
        f" by at most {bundle.parity['pcc_difference']:.1e} on {bundle.parity['frames']} frames",
        as_json,
    )


@app.command()
def calibrate(
    bundle: BundleFolder,
    tub: Annotated[Path, typer.Option(help="A drive with a wiped lens, on this car, in this light.")],
    rule: Annotated[str, typer.Option(help="clean: limits for a false-alarm rate; paper: µ − 0.5σ.")] = "clean",
    false_alarms_per_hour: Annotated[float, typer.Option(help="Budget of the rule clean.")] = 1.0,
    out: Annotated[Path | None, typer.Option(help="By default calibration.json in the bundle.")] = None,
    as_json: Json = False,
) -> None:
    """Make the limits of this vehicle from a drive."""
    scorer, drive = Scorer(Bundle.load(bundle)), Tub(tub)
    with Bar("calibrating") as bar:
        calibration = calibrate_on_tub(
            scorer,
            drive,
            rule=rule,
            false_alarms_per_hour=false_alarms_per_hour,
            now=datetime.now(timezone.utc),
            progress=bar,
        )
    path = out or bundle / CALIBRATION_FILE
    calibration.save(path)
    low, centre, high = calibration.limits.pcc
    figures = {
        "calibration": str(path),
        "rule": rule,
        "pcc_low": low,
        "pcc_centre": centre,
        "pcc_high": high,
        "frames": calibration.frames,
        "minutes": calibration.duration_s / 60,
    }
    _print_figures(
        figures,
        f"{path}: PCC {centre:.4f}, alarm below {low:.4f} or above {high:.4f};"
        f" rests on {calibration.frames} frames, {calibration.duration_s / 60:.1f} minutes",
        as_json,
    )
    _leave_for(drive.skipped)


@app.command()
def score(
    tub: TubFolder,
    bundle: Annotated[Path, typer.Option(help="Folder that `export-model` wrote.")],
    out: Annotated[Path, typer.Option(help="The scores, one row a record.")],
    calibration: Annotated[Path | None, typer.Option(help="By default the bundle's own, if it has one.")] = None,
    as_json: Json = False,
) -> None:
    """Score a recorded drive as the car would have."""
    scorer, drive = Scorer(Bundle.load(bundle)), Tub(tub)
    path = calibration or bundle / CALIBRATION_FILE
    limits = None
    if calibration is not None or path.exists():
        made = Calibration.load(path)
        if problem := made.mismatch(scorer.bundle, scorer.backend.name):
            raise InputError(problem)
        limits = made.limits
    with Bar("scoring") as bar:
        readings = write_scores(drive, Monitor(scorer, limits), out, bar)
    pccs = [reading.score.pcc for reading in readings if reading.score.pcc is not None]
    figures: dict[str, Any] = {
        "scores": str(out),
        "records": len(readings),
        "scored": len(pccs),
        "mean_pcc": sum(pccs) / len(pccs) if pccs else None,
        "events": max((reading.alarm.event_id for reading in readings), default=0),
        "status": dict(Counter(reading.alarm.status for reading in readings)),
        "deleted": drive.deleted,
        "images_without_record": drive.uncatalogued,
        "skipped": drive.skipped_counts(),
    }
    mean = f"{figures['mean_pcc']:.4f}" if pccs else "none"
    _print_figures(
        figures,
        f"{out}: {len(readings)} records, {len(pccs)} scored, mean PCC {mean}, {figures['events']} events; status "
        + ", ".join(f"{count} {status}" for status, count in figures["status"].items())
        + f"; the tub has {drive.deleted} deleted records and {drive.uncatalogued} images without a record",
        as_json,
    )
    _leave_for(drive.skipped)


@app.command()
def events(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="The car's logs/lens_events.db.")],
    as_json: Json = False,
) -> None:
    """List the obscured-lens events of a log."""
    from ..parts.events import read_events

    found = read_events(log)
    if as_json:
        print(json.dumps([asdict(event) for event in found], indent=2))
    else:
        print_events(found)


@app.command()
def generate(
    out: Annotated[Path, typer.Argument(metavar="TUB", help="Folder of the new drive.")],
    seconds: Annotated[float, typer.Option(help="How long it lasts.")] = 60.0,
    wet: Annotated[bool, typer.Option("--wet", help="Drops on the lens for one eighth of the time.")] = False,
    track: Annotated[int, typer.Option(help="Another number is another track and car.")] = 0,
    seed: Annotated[int, typer.Option(help="Another number is another drive: path, light, drops.")] = 0,
) -> None:
    """Write a made-up drive as a Donkeycar tub, with labels.json saying when the lens was wet."""
    _require_extra("train", "scipy")
    import numpy as np

    from ..evaluation.drives import scattered_episodes, write_drive
    from ..evaluation.track import Track

    episodes = scattered_episodes(seconds, np.random.default_rng(seed)) if wet else []
    with Bar("generating") as bar:
        world = Track(np.random.default_rng(track))
        write_drive(out, world, seed=seed, seconds=seconds, episodes=episodes, progress=bar)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the drives, the car and the figures.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Another seed is another track.")] = 0,
) -> None:
    """The whole way on generated drives: train, export, calibrate, drive a real Donkeycar, look at the events."""
    _require_extra("train,export,report,donkeycar", "torch", "onnx", "matplotlib", "donkeycar")
    from ..evaluation.demo import run_demo
    from .demo import DemoDisplay, print_result

    print_result(run_demo(out, seed, DemoDisplay()))


def main() -> None:
    """`mle-uvad`: exit code 0 done, 2 bad input in one line, 3 done but something was skipped."""
    _run(app)


def export_model() -> None:
    """`export-model RUN …`: the same as `mle-uvad export RUN …`."""
    sys.argv[1:1] = ["export"]
    _run(app)


def _run(application: typer.Typer) -> NoReturn:
    try:
        application()
    except InputError as error:
        console.print(f"error: {error}", style="red", markup=False)
        sys.exit(2)
    except OSError as error:
        console.print(f"error: {error.filename or 'the system'}: {error.strerror or error}", style="red", markup=False)
        sys.exit(2)
    sys.exit(0)


def _require_extra(extra: str, *modules: str) -> None:
    from importlib.util import find_spec

    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise InputError(f"this needs {', '.join(missing)}; type: pip install 'mle_uvad[{extra}]'")


def _print_figures(figures: dict[str, Any], line: str, as_json: bool) -> None:
    print(json.dumps(figures, indent=2) if as_json else line)


def _leave_for(skipped: list[Any]) -> None:
    if skipped:
        print_skipped(skipped)
        raise typer.Exit(3)
