"""The commands around a bundle: calibrate it, score drives with it."""

import math
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer

from ..calibration import Calibration, calibrate_on_tub
from ..calibration.blocks import BLOCK_S
from ..calibration.score_drives import require_new, score_drive, score_drives
from ..edge.backends import open_scorer
from ..edge.bundle import CALIBRATION_FILE, Bundle
from ..edge.errors import InputError
from ..edge.evidence import Thresholds
from ..edge.tubs.tub import Tub
from .app import Json, app, leave_for, print_figures
from .console import Bar, console
from .running import calibrate_running_car

BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder that `export-model` wrote.")]


@app.command()
def calibrate(
    bundle: Annotated[Path | None, typer.Argument(metavar="BUNDLE", help="Folder that `export-model` wrote.")] = None,
    tub: Annotated[Path | None, typer.Option(help="A drive with a wiped lens, on this car, in this light.")] = None,
    car: Annotated[Path | None, typer.Option(help="Instead of both: the folder of a car that is being driven.")] = None,
    rule: Annotated[
        str, typer.Option(help="clean: for a false-alarm rate; pcc: by the PCC alone; paper: µ − 0.5σ.")
    ] = "clean",
    false_alarms_per_hour: Annotated[float, typer.Option(help="Budget of the rules clean and pcc.")] = 1.0,
    out: Annotated[Path | None, typer.Option(help="By default calibration.json in the bundle.")] = None,
    as_json: Json = False,
) -> None:
    """Make the limits of this vehicle, from a recorded drive or on the car itself while it is driven.

    Without --tub, the calibration that the bundle has gets limits for another --false-alarms-per-hour.
    """
    if car is not None:
        if bundle or tub or out or (rule, false_alarms_per_hour) != ("clean", 1.0):
            raise InputError("--car takes all else from its myconfig.py; give --car alone")
        calibrate_running_car(car, as_json)
        return
    if bundle is None:
        raise InputError("nothing to calibrate; give BUNDLE and --tub TUB, or --car MYCAR for a running car")
    path = require_new(out or bundle / CALIBRATION_FILE, tub, bundle)
    if tub is None:
        if rule != "clean":
            raise InputError(f"the rule {rule} needs a drive; give --tub TUB")
        made, skipped = Calibration.load(bundle / CALIBRATION_FILE).at(false_alarms_per_hour), []
    else:
        scorer, drive = open_scorer(Bundle.load(bundle)), Tub(tub)
        with Bar("calibrating") as bar:
            made = calibrate_on_tub(
                scorer,
                drive,
                rule=rule,
                false_alarms_per_hour=false_alarms_per_hour,
                now=datetime.now(timezone.utc),
                progress=bar,
            )
        skipped = drive.skipped
    made.save(path)
    _print_calibration(path, made, as_json)
    leave_for(skipped)


def _print_calibration(path: Path, made: Calibration, as_json: bool) -> None:
    low, centre, high = made.thresholds.pcc
    blocks, minutes = made.maxima.shape[1], made.duration_s / 60
    figures = {
        "calibration": str(path),
        "rule": made.rule,
        "false_alarms_per_hour": made.false_alarms_per_hour,
        "pcc_low": low,
        "pcc_centre": centre,
        "pcc_high": high,
        "limit": [limit if math.isfinite(limit) else None for limit in made.thresholds.excess],
        "frames": made.frames,
        "minutes": minutes,
        "blocks": blocks,
    }
    told = f"{path}: alarm when {_alarm_rule(made.thresholds)}; rests on {made.frames} frames, {minutes:.1f} minutes"
    if blocks:
        # Of K + 1 blocks alike, any one is the largest with a chance of 1/(K + 1); there are two averages.
        shown = 2 / (blocks + 1) * 3600 / BLOCK_S
        told += (
            f" in {blocks} blocks of {BLOCK_S:g} s. Promised: {made.false_alarms_per_hour:g} false alarms an hour,"
            " averaged over such calibrations, in this light and on this track, while log odds stay as bounded as they"
            f" were; the drive by itself shows no more than that there are fewer than {shown:.0f}"
        )
    print_figures(figures, told, as_json)


@app.command()
def score(
    tubs: Annotated[
        list[Path], typer.Argument(metavar="TUB...", help="Folders of recorded drives, with manifest.json.")
    ],
    bundle: Annotated[Path, typer.Option(help="Folder that `export-model` wrote.")],
    out: Annotated[Path, typer.Option(help="The scores, one row a record; of several drives a folder for them.")],
    calibration: Annotated[Path | None, typer.Option(help="By default the bundle's own, if it has one.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Drives at a time; by default one a core.")] = None,
    as_json: Json = False,
) -> None:
    """Score recorded drives as the car would have. Of several, those that were scored before are not scored again."""
    if len(tubs) > 1:
        _score_many(tubs, bundle, calibration, out, jobs, as_json)
        return
    drive = Tub(tubs[0])
    require_new(out, tubs[0], bundle)
    with Bar("scoring") as bar:
        figures = score_drive(drive, bundle, calibration, out, bar)
    print_figures(
        figures,
        _summary(figures) + f"; the tub has {figures['deleted']} deleted records and"
        f" {figures['images_without_record']} images without a record",
        as_json,
    )
    leave_for(drive.skipped)


def _score_many(
    tubs: list[Path], bundle: Path, calibration: Path | None, out: Path, jobs: int | None, as_json: bool
) -> None:
    with Bar("scoring", unit="drives") as bar:
        drives, failed = score_drives(tubs, bundle, calibration, out, jobs, bar)
    lines = [_summary(figures) for figures in drives]
    print_figures({"drives": drives, "failed": failed}, "\n".join(lines), as_json)
    for tub, reason in failed.items():
        console.print(f"not scored: {tub}: {reason}", markup=False)
    if failed or any(figures["skipped"] for figures in drives):
        raise typer.Exit(3)


def _summary(figures: dict[str, Any]) -> str:
    mean = "none" if figures["mean_pcc"] is None else f"{figures['mean_pcc']:.4f}"
    status = ", ".join(f"{count} {status}" for status, count in figures["status"].items())
    return (
        f"{figures['scores']}: {figures['records']} records, {figures['scored']} scored, mean PCC {mean},"
        f" {figures['events']} events; status {status}"
    )


def _alarm_rule(thresholds: Thresholds) -> str:
    if thresholds.judges_cells:
        quick, lasting = thresholds.excess
        return f"the log odds of the worst places rise {quick:.2f} above ordinary, or lastingly {lasting:.2f}"
    low, centre, high = thresholds.pcc
    return f"the PCC, {centre:.4f} in the middle, falls below {low:.4f} or rises above {high:.4f}"
