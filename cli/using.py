"""The commands around a bundle: calibrate it, score drives with it."""

import math
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer

from ..calibration import Calibration, calibrate_on_tub
from ..calibration.blocks import BLOCK_S
from ..edge.bundle import CALIBRATION_FILE, FACTS_FILE, MODEL_FILE, Bundle
from ..edge.errors import InputError
from ..edge.evidence import Limits
from ..edge.monitor import Monitor
from ..edge.replay import write_scores
from ..edge.scorer import Scorer
from ..edge.tub import Tub
from .app import Json, app, leave_for, print_figures
from .console import Bar
from .running import calibrate_running_car

TubFolder = Annotated[Path, typer.Argument(metavar="TUB", help="Folder of a recorded drive, with manifest.json.")]
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
    path = _new_file(out or bundle / CALIBRATION_FILE, tub, bundle)
    scorer = Scorer(Bundle.load(bundle))
    if tub is None:
        if rule != "clean":
            raise InputError(f"the rule {rule} needs a drive; give --tub TUB")
        made, skipped = _of_another_rate(scorer, false_alarms_per_hour), []
    else:
        drive = Tub(tub)
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


def _of_another_rate(scorer: Scorer, false_alarms_per_hour: float) -> Calibration:
    path = scorer.bundle.folder / CALIBRATION_FILE
    return Calibration.load_for(path, scorer.bundle, scorer.backend.name).at(false_alarms_per_hour)


def _print_calibration(path: Path, made: Calibration, as_json: bool) -> None:
    low, centre, high = made.limits.pcc
    blocks, minutes = made.maxima.shape[1], made.duration_s / 60
    figures = {
        "calibration": str(path),
        "rule": made.rule,
        "false_alarms_per_hour": made.false_alarms_per_hour,
        "pcc_low": low,
        "pcc_centre": centre,
        "pcc_high": high,
        "limit": [limit if math.isfinite(limit) else None for limit in made.limits.limit],
        "frames": made.frames,
        "minutes": minutes,
        "blocks": blocks,
    }
    told = f"{path}: alarm when {_alarm_rule(made.limits)}; rests on {made.frames} frames, {minutes:.1f} minutes"
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
    tub: TubFolder,
    bundle: Annotated[Path, typer.Option(help="Folder that `export-model` wrote.")],
    out: Annotated[Path, typer.Option(help="The scores, one row a record.")],
    calibration: Annotated[Path | None, typer.Option(help="By default the bundle's own, if it has one.")] = None,
    as_json: Json = False,
) -> None:
    """Score a recorded drive as the car would have."""
    scorer, drive = Scorer(Bundle.load(bundle)), Tub(tub)
    path = calibration or bundle / CALIBRATION_FILE
    _new_file(out, tub, bundle)
    limits = None
    if calibration is not None or path.exists():
        limits = Calibration.load_for(path, scorer.bundle, scorer.backend.name, "rgb").limits
    with Bar("scoring") as bar:
        readings = write_scores(drive, Monitor(scorer, limits), out, bar)
    pccs = [reading.score.pcc for reading in readings if reading.score.pcc is not None]
    details = [reading.score.detail for reading in readings if reading.score.detail]
    if not pccs and details:
        raise InputError(f"no frame of {tub} can be scored: {details[0]}; give a drive of this camera")
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
    print_figures(
        figures,
        f"{out}: {len(readings)} records, {len(pccs)} scored, mean PCC {mean}, {figures['events']} events; status "
        + ", ".join(f"{count} {status}" for status, count in figures["status"].items())
        + f"; the tub has {drive.deleted} deleted records and {drive.uncatalogued} images without a record",
        as_json,
    )
    leave_for(drive.skipped)


def _alarm_rule(limits: Limits) -> str:
    if limits.by_place:
        quick, lasting = limits.limit
        return f"the log odds of the worst places rise {quick:.2f} above ordinary, or lastingly {lasting:.2f}"
    low, centre, high = limits.pcc
    return f"the PCC, {centre:.4f} in the middle, falls below {low:.4f} or rises above {high:.4f}"


def _new_file(out: Path, tub: Path | None, bundle: Path) -> Path:
    """`out` itself. Raises InputError, before any work, where writing it would destroy what is read."""
    if not out.name or out.is_dir():
        raise InputError(f"{out} is a folder; give the path of a file to --out")
    target = out.resolve()
    ours = [(bundle / name).resolve() for name in (MODEL_FILE, FACTS_FILE)]
    if target in ours or (tub is not None and target.is_relative_to(tub.resolve())):
        raise InputError(f"{out} belongs to what is read; give another --out")
    return out
