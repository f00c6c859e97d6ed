"""`mle-uvad score`: score recorded drives."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from ..calibration.score_drives import require_new, score_drive, score_drives
from ..edge.bundle import CALIBRATION_FILE, Bundle
from ..edge.tubs.scores import read_scored_events
from ..edge.tubs.times import open_drive
from .app import Json, finish, print_figures
from .console import Bar, console, say_next
from .drives import CameraField, EveryTub, Hz, camera_of, print_failed, tubs_of


def score(
    tubs: Annotated[list[Path], typer.Argument(metavar="TUB...", help="Recorded drives: tubs, or a car with one.")],
    bundle: Annotated[Path, typer.Option(help="Folder written by `export-model`.")],
    out: Annotated[
        Path, typer.Option(help="CSV file for the scores, one row per record; a folder when there are several drives.")
    ],
    calibration: Annotated[
        Path | None, typer.Option(help="Calibration file. Default: that of the bundle, if it has one.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Drives scored in parallel. Default: one per core.")] = None,
    every: EveryTub = False,
    camera: CameraField = None,
    hz: Hz = None,
    as_json: Json = False,
) -> None:
    """Score recorded drives exactly as the car would have scored them.

    With several drives, those that were scored before are not scored again.
    """
    given, tubs = tubs, tubs_of(tubs, every=every)
    if len(given) == 1:
        camera = camera_of(given[0], tubs[0], camera)
    if len(tubs) > 1:
        _score_many(tubs, bundle, calibration, out, jobs, camera, hz, as_json)
        return
    drive = open_drive(tubs[0], camera, hz)
    require_new(out, tubs[0], bundle, calibration or bundle / CALIBRATION_FILE)
    with Bar("scoring") as bar:
        figures = score_drive(drive, bundle, calibration, out, bar)
    print_figures(
        figures,
        "\n".join(
            [
                _summary(figures) + f"; the tub has {figures['deleted']} deleted records and"
                f" {figures['images_without_record']} images without a record",
                *_event_lines(out),
            ]
        ),
        as_json,
    )
    report = f"mle-uvad report {shlex.quote(str(tubs[0]))} --scores {shlex.quote(str(out))}"
    finish(drive.skipped, _calibrate_first([figures], bundle) or report)


def _score_many(
    tubs: list[Path],
    bundle: Path,
    calibration: Path | None,
    out: Path,
    jobs: int | None,
    camera: str | None,
    hz: float | None,
    as_json: bool,
) -> None:
    with Bar("scoring", unit="drives") as bar:
        drives, failed = score_drives(tubs, bundle, calibration, out, jobs, bar, camera=camera, hz=hz)
    lines = [line for figures in drives for line in (_summary(figures), *_event_lines(Path(figures["scores"])))]
    print_figures({"drives": drives, "failed": failed}, "\n".join(lines), as_json)
    print_failed(failed, "not scored")
    report = f"mle-uvad report TUB --scores {shlex.quote(str(out))}/NAME.csv, for each drive with events"
    say_next(_calibrate_first(drives, bundle) or report)
    if failed or any(figures["skipped"] for figures in drives):
        raise typer.Exit(3)


def _summary(figures: dict[str, Any]) -> str:
    mean = "none" if figures["mean_pcc"] is None else f"{figures['mean_pcc']:.4f}"
    status = ", ".join(f"{count} {status}" for status, count in figures["status"].items())
    return (
        f"{figures['scores']}: {figures['records']} records, {figures['scored']} scored, mean PCC {mean},"
        f" {figures['events']} event{'' if figures['events'] == 1 else 's'}; status {status}"
        + ("; reused from an earlier call, since nothing it rests on has changed" if figures["reused"] else "")
    )


def _event_lines(scores: Path) -> list[str]:
    """Return a line for each event: when in the drive, for how long, how large, in which records."""
    return [
        f"  at {event.began_s:.1f} s for {event.duration_s:.1f} s: up to {event.coverage:.0%} of the lens obscured,"
        f" records {event.first_index} to {event.last_index}"
        for event in read_scored_events(scores)
    ]


def _calibrate_first(drives: list[dict[str, Any]], bundle: Path) -> str:
    """Return the command that calibrates, after saying why, if a drive was scored without; else nothing."""
    if not any("uncalibrated" in figures["status"] for figures in drives):
        return ""
    for_any_car = Bundle.load(bundle).uncalibrated_excess
    found = "only large faults are found in the first two minutes" if for_any_car else "no fault is found"
    console.print(f"without a calibration, {found}")
    return f"mle-uvad calibrate {shlex.quote(str(bundle))} --tub TUB, with a drive whose lens was clean"
