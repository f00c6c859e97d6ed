"""`mle-uvad clean`: delete the records of a drive that were taken through an obscured lens, as the tub manager does."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from ..calibration.score_drives import monitor_of, open_for, require_new
from ..edge.bundle import CALIBRATION_FILE
from ..edge.errors import InputError
from ..edge.tubs.cleaning import Judged, Run, judge, runs_to_delete, states, write_mask
from ..edge.tubs.contact_sheet import write_contact_sheet
from ..edge.tubs.deletions import mark_deleted, read_manifest
from ..edge.tubs.deletions import undo as undo_deletions
from ..edge.tubs.replay import DriveMonitor
from ..edge.tubs.times import open_drive
from ..edge.tubs.tub import Tub
from .app import Json, finish, print_figures
from .console import Bar, console, say_next
from .drives import CameraField, Hz, one_tub

MARGIN_S = 3.0  # the median delay of the alarm: before it, the lens was obscured already
SHEET_SUFFIXES = (".png", ".jpg", ".jpeg")


def clean(
    tub: Annotated[Path, typer.Argument(metavar="TUB", help="Recorded drive: a tub, or a car with one.")],
    bundle: Annotated[
        Path | None, typer.Option(help="Folder written by `export-model`.", show_default="none, with --undo")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Calibration file. Default: that of the bundle, if it has one.")
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0, help="Seconds before and after each event whose records go too.")
    ] = MARGIN_S,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would go, and change nothing.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the marks back, byte for byte.")] = False,
    sheet: Annotated[
        Path | None, typer.Option(help="PNG or JPEG file for frames of all that goes.", show_default="none")
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="CSV file for the state of each record: normal, obscured or unsure.", show_default="none"),
    ] = None,
    camera: CameraField = None,
    hz: Hz = None,
    as_json: Json = False,
) -> None:
    """Mark the records of an obscured lens as deleted in the tub, so that `donkey train` leaves them out.

    The marks are those of Donkeycar's tub manager, which shows and restores them; no record and no image is removed.
    """
    tub = one_tub(tub)
    if undo:
        marked = undo_deletions(tub)
        print_figures({"tub": str(tub), "restored": marked}, f"{tub}: {marked} records restored", as_json)
        say_next(f"mle-uvad score {shlex.quote(str(tub))} --bundle BUNDLE --out scores.csv")
        return
    if bundle is None:
        raise InputError("clean needs a bundle; give --bundle BUNDLE, or --undo to take the marks back")
    _require_outputs(sheet, mask, tub, bundle, calibration)
    manifest = read_manifest(tub)
    drive = open_drive(tub, camera, hz)
    with Bar("scoring") as bar:
        judged = judge(drive, _monitor(drive, bundle, calibration), bar)
    runs = runs_to_delete(judged, margin)
    if sheet is not None:
        write_contact_sheet(sheet, drive, runs)
    if mask is not None:
        write_mask(mask, judged, margin)
    wanted = [record.index for run in runs for record in run.records]
    marked = 0 if dry_run else len(mark_deleted(tub, manifest, wanted))
    figures = _figures(tub, judged, runs, margin, marked)
    print_figures(figures, "\n".join(_lines(figures, sheet, mask, dry_run=dry_run)), as_json)
    options: dict[str, Any] = {"bundle": bundle, "calibration": calibration, "camera": camera, "hz": hz}
    options |= {"margin": margin if margin != MARGIN_S else None}
    finish(drive.skipped, _next_command(tub, options, dry_run, found=bool(runs if dry_run else marked)))


def _require_outputs(sheet: Path | None, mask: Path | None, tub: Path, bundle: Path, calibration: Path | None) -> None:
    """Raise InputError, before any work is done, for files that cannot be written or would overwrite an input."""
    if sheet is not None and sheet.suffix.lower() not in SHEET_SUFFIXES:
        raise InputError(f"{sheet} is no picture file; give --sheet a name that ends with .png or .jpg")
    for out in (sheet, mask):
        if out is not None:
            require_new(out, tub, bundle, calibration or bundle / CALIBRATION_FILE)


def _monitor(drive: Tub, bundle: Path, calibration: Path | None) -> DriveMonitor:
    """Open the monitor for a drive. Raises InputError for a bundle that raises no event without a calibration."""
    scorer, made = open_for(drive, bundle, calibration)
    if made is None and scorer.bundle.uncalibrated_excess is None:
        raise InputError(
            f"{bundle} has no calibration and finds nothing without one; type: mle-uvad calibrate"
            f" {shlex.quote(str(bundle))} --tub TUB, with a drive whose lens was clean"
        )
    return monitor_of(scorer, made)


def _figures(tub: Path, judged: list[Judged], runs: list[Run], margin: float, marked: int) -> dict[str, Any]:
    counted = list(states(judged, margin))
    return {
        "tub": str(tub),
        "records": len(judged),
        "deleted": marked,
        "to_delete": [
            {
                "first": run.records[0].index,
                "last": run.records[-1].index,
                "records": len(run.records),
                "seconds": round(run.seconds, 3),
            }
            for run in runs
        ],
        "states": {state: counted.count(state) for state in ("normal", "obscured", "unsure")},
    }


def _lines(figures: dict[str, Any], sheet: Path | None, mask: Path | None, *, dry_run: bool) -> list[str]:
    going, marked = sum(run["records"] for run in figures["to_delete"]), figures["deleted"]
    unread = 0 if dry_run else max(0, going - marked)
    return [
        f"{figures['tub']}: {figures['records']} records, {f'{going} to delete' if dry_run else f'{marked} deleted'}",
        *([f"  {unread} more need no mark: donkeycar reads none of their lines"] if unread else []),
        *(f"  records {run['first']} to {run['last']}, {run['seconds']:.1f} s" for run in figures["to_delete"]),
        *([f"frames of them: {sheet}"] if sheet else []),
        *([f"mask: {mask}: " + ", ".join(f"{n} {state}" for state, n in figures["states"].items())] if mask else []),
    ]


def _next_command(tub: Path, options: dict[str, Any], dry_run: bool, *, found: bool) -> str:
    quoted = shlex.quote(str(tub))
    if dry_run and found:
        console.print("nothing was changed")
        given = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
        return f"mle-uvad clean {quoted} {shlex.join(given)}"
    if found:
        return f"donkey train --tub {quoted}, or to take it back: mle-uvad clean {quoted} --undo"
    console.print("no record is to go")
    return f"donkey train --tub {quoted}"
