"""`mle-uvad calibrate`: make the thresholds of a vehicle, from a recorded drive or on a car that is being driven."""

import math
import shlex
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from ..calibration import Calibration, add_drive, calibrate_on_tub
from ..calibration.blocks import BLOCK_S
from ..calibration.kept import restore as restore_calibration
from ..calibration.kept import save
from ..calibration.rules import RULES_WITHOUT_RATE
from ..calibration.score_drives import require_new
from ..edge.backends import open_scorer
from ..edge.bundle import CALIBRATION_FILE, Bundle
from ..edge.errors import InputError
from ..edge.evidence import Thresholds
from ..edge.scorer import Scorer
from ..edge.tubs.times import open_drive
from ..edge.tubs.tub import Skipped, Tub, commonest_camera
from ..parts.calibration_request import Reply, request_calibration
from ..parts.install.car_config import is_car
from ..parts.luma_camera import LumaCamera
from .app import Json, finish, print_figures
from .console import Bar, console, say_next
from .drives import CameraField, Hz, camera_of, lens_of, one_tub
from .tables import plain


def calibrate(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            metavar="BUNDLE",
            help="Folder written by `export-model`, or the car that holds it.",
            show_default="none with --car",
        ),
    ] = None,
    tub: Annotated[
        Path | None,
        typer.Option(
            help="Drive with a clean lens, of this car and in the light it will drive in.",
            show_default="that of the calibration in place",
        ),
    ] = None,
    car: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a car that is being driven, in place of BUNDLE and --tub.", show_default="none with BUNDLE"
        ),
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            help="clean: for a false-alarm rate; pcc: the same, by the PCC alone; paper: PCC below its mean by half a"
            " standard deviation; median: PCC of the last 5 s, by a median filter, 0.05 below its median."
        ),
    ] = "clean",
    false_alarms_per_hour: Annotated[
        float, typer.Option(help="False-alarm rate that the rules clean and pcc allow.")
    ] = 1.0,
    out: Annotated[
        Path | None, typer.Option(help="File for the calibration. Default: calibration.json in the bundle.")
    ] = None,
    add: Annotated[
        bool,
        typer.Option("--add", help="Add the drive to the existing calibration: the thresholds then rest on both."),
    ] = False,
    camera: CameraField = None,
    hz: Hz = None,
    restore: Annotated[
        bool,
        typer.Option("--restore", help="Put back the calibration that the last one replaced; again: the one before."),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Also print the thresholds.")] = False,
    as_json: Json = False,
) -> None:
    """Make the thresholds of this vehicle, from a recorded drive or on the car while it is being driven.

    Without --tub, the thresholds of the existing calibration are made again for another --false-alarms-per-hour.
    A calibration that is replaced is kept beside the new one, the last five of them.
    """
    by_default = (rule, false_alarms_per_hour) == ("clean", 1.0)
    if restore:
        if tub or add or not by_default:
            raise InputError("--restore makes no thresholds; give it BUNDLE or --car MYCAR alone")
        if bundle is not None and car is None and is_car(bundle):
            bundle, car = None, bundle
        _restore(bundle, car, out, as_json, verbose)
        return
    if car is not None:
        if bundle or tub or out or add or not by_default:
            raise InputError("with --car, all else is read from the car's myconfig.py; give --car alone")
        _calibrate_running_car(car, as_json)
        return
    if bundle is None:
        raise InputError("nothing to calibrate; give BUNDLE and --tub TUB, or --car MYCAR for a running car")
    if add and (tub is None or not by_default):
        raise InputError("--add keeps the rule and the rate of the calibration; give it BUNDLE --tub TUB")
    if rule in RULES_WITHOUT_RATE and false_alarms_per_hour != 1.0:
        raise InputError(f"the rule {rule} is for no false-alarm rate; leave out --false-alarms-per-hour")
    made, luma_car = bundle / CALIBRATION_FILE, None
    if is_car(bundle):
        lens = lens_of(bundle)
        luma_car = bundle if lens.camera_channel == LumaCamera.outputs[1] and out is None else None
        bundle, made = lens.bundle, lens.calibration
    if tub is not None:
        given, tub = tub, one_tub(tub)
        camera = camera_of(given, tub, camera)
    path = require_new(out or made, tub, bundle)
    skipped: list[Skipped] = []
    if tub is None:
        calibration = _for_another_rate(made, rule, false_alarms_per_hour)
    else:
        scorer, drive = open_scorer(Bundle.load(bundle)), open_drive(tub, camera, hz)
        _require_cameras_kind(drive, luma_car)
        calibration = _from_drive(scorer, drive, made if add else None, rule, false_alarms_per_hour)
        skipped = drive.skipped
    save(calibration, path)
    _print_calibration(path, calibration, as_json, verbose)
    finish(skipped, _score_with(path, bundle))


def _for_another_rate(made: Path, rule: str, false_alarms_per_hour: float) -> Calibration:
    """Return the calibration in place with thresholds for another rate. Raises InputError where that needs a drive."""
    if rule != "clean":
        raise InputError(f"the rule {rule} needs a drive; give --tub TUB")
    calibration = Calibration.load(made)
    if calibration.rule in RULES_WITHOUT_RATE:
        raise InputError(
            f"{made} is by the rule {calibration.rule}, which is for no false-alarm rate; give --tub TUB for another"
        )
    return calibration.at(false_alarms_per_hour)


def _from_drive(
    scorer: Scorer, drive: Tub, added_to: Path | None, rule: str, false_alarms_per_hour: float
) -> Calibration:
    """Return the calibration from a drive, or one that has it added. Raises InputError for an unusable drive."""
    now = datetime.now(timezone.utc)
    existing = Calibration.load(added_to) if added_to else None
    with Bar("calibrating") as bar:
        if existing is not None:
            return add_drive(scorer, drive, existing, now=now, progress=bar, warn=_warn)
        return calibrate_on_tub(
            scorer,
            drive,
            rule=rule,
            false_alarms_per_hour=false_alarms_per_hour,
            now=now,
            progress=bar,
            warn=_warn,
        )


def _require_cameras_kind(drive: Tub, luma_car: Path | None) -> None:
    """Raise InputError for a drive in RGB, where the part of a car judges by the camera's luma."""
    if luma_car and commonest_camera(drive) == "rgb":
        raise InputError(
            f"{drive.folder} holds RGB frames, and the part of {luma_car} gets {LumaCamera.outputs[1]}: thresholds for"
            f" one do not hold for the other; run: mle-uvad calibrate --car {shlex.quote(str(luma_car))}"
        )


def _warn(line: str) -> None:
    console.print(f"WARNING: {line}")


def _restore(bundle: Path | None, car: Path | None, out: Path | None, as_json: bool, verbose: bool) -> None:
    if bundle is not None and car is None:
        path = out or bundle / CALIBRATION_FILE
    elif car is not None and bundle is None:
        lens = lens_of(car)
        bundle, path = lens.bundle, out or lens.calibration
    else:
        raise InputError("--restore needs to know where; give either BUNDLE or --car MYCAR")
    calibration = restore_calibration(path, Bundle.load(bundle))
    made_at = plain(calibration.created_at).plain
    console.print(f"restored the calibration of {made_at}; a running car uses it from its next start on")
    _print_calibration(path, calibration, as_json, verbose)
    say_next(_score_with(path, bundle))


def _score_with(path: Path, bundle: Path) -> str:
    where = "" if path == bundle / CALIBRATION_FILE else f" --calibration {shlex.quote(str(path))}"
    return f"mle-uvad score TUB --bundle {shlex.quote(str(bundle))}{where} --out scores.csv"


def _print_calibration(path: Path, calibration: Calibration, as_json: bool, verbose: bool) -> None:
    low, median, high = calibration.thresholds.pcc
    blocks, minutes = calibration.maxima.shape[1], calibration.duration_s / 60
    figures = {
        "calibration": str(path),
        "rule": calibration.rule,
        "false_alarms_per_hour": calibration.false_alarms_per_hour,
        "pcc_low": low,
        "pcc_centre": median,
        "pcc_high": high,
        "limit": [excess if math.isfinite(excess) else None for excess in calibration.thresholds.excess],
        "frames": calibration.frames,
        "minutes": minutes,
        "blocks": blocks,
    }
    lines = [f"{path}: calibrated on {calibration.frames} frames, {minutes:.1f} minutes of driving"]
    if (observable := calibration.observable_rate) is not None:
        rate = calibration.false_alarms_per_hour
        lines.append(
            f"made for {rate:g} false alarm{'s' * (rate != 1)} per hour, on average over cars, in this light and on"
            f" this track; this drive alone proves only that there are fewer than {observable:.0f}"
        )
    if verbose or not blocks:
        lines.append(f"alarm when {_alarm_rule(calibration.thresholds)}")
    if verbose and blocks:
        lines.append(
            "the rate holds on average over such calibrations, if the tail of the log odds is bounded as assumed;"
            f" the drive has {blocks} blocks of {BLOCK_S:g} s"
        )
    print_figures(figures, "\n".join(lines), as_json)


def _alarm_rule(thresholds: Thresholds) -> str:
    if thresholds.judges_cells:
        fast, slow = thresholds.excess
        return (
            "the log odds of the worst cells exceed their baseline"
            f" by {fast:.2f} in the fast filter or {slow:.2f} in the slow one"
        )
    low, median, high = thresholds.pcc
    return f"the PCC, with a median of {median:.4f}, falls below {low:.4f} or rises above {high:.4f}"


def _calibrate_running_car(car: Path, as_json: bool) -> None:
    """Start a calibration on the car and wait for its end. Raises InputError when no car replies or it is refused."""
    path = lens_of(car).calibration
    reply = _wait_for_end(path.parent)
    if reply.state != "calibrated":
        raise InputError(f"not calibrated: {reply.detail}")
    text = f"{path}: calibrated, and in force" + (f"; {reply.detail}" if reply.detail else "")
    print_figures({"calibration": str(path), "state": reply.state, "detail": reply.detail}, text, as_json)
    say_next(f"drive on, then mle-uvad events {shlex.quote(str(car))}")


def _wait_for_end(folder: Path) -> Reply:
    with Bar("calibrating, keep driving", "%") as bar:
        for reply in request_calibration(folder, time.monotonic, time.sleep):
            bar(round(100 * reply.progress), 100)
    return reply
