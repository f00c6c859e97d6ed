"""The commands around a car: put the part into its manage.py, look it over, read what it logged."""

import json
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from ..edge.errors import InputError
from ..parts.anomaly import MLEAnomalyPart
from ..parts.events.event import read_events
from ..parts.events.export import copy_pictures, select, write_csv
from ..parts.install.car_config import read_car_config, tub_refuses
from ..parts.install.doctor import FAIL, examine
from ..parts.install.manage_py import ManagePy, advice
from ..parts.install.templates import lines_by_hand
from .app import Json, app, leave_for, print_figures
from .console import console
from .tables import findings_as_lines, print_events

Car = Annotated[Path, typer.Argument(metavar="MYCAR", help="Folder of the car, with manage.py and myconfig.py.")]


@app.command()
def install_part(
    car: Car,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the lines are in manage.py.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the lines out again.")] = False,
) -> None:
    """Put the part, its tub fields, the limiter and the overlay into a stock manage.py, complete or basic."""
    if check and undo:
        raise InputError("--check and --undo are two things; give one of them")
    manage = ManagePy.read(car)
    if check:
        if manage.state != "installed":
            raise InputError(advice(manage))
        print(advice(manage))
    elif undo:
        kept = manage.undo()
        print(f"{manage.path}: the lens lines are out" + (f"; as it was: {kept}" if kept else ""))
        _point_out_the_tub(car, wanted=False)
    elif manage.state == "installed":
        print(advice(manage))
    else:
        if manage.state == "absent" and manage.template is None:
            print(f"To add to {manage.path} by hand:\n\n{lines_by_hand()}")
        backup = manage.install()
        print(f"{manage.path}: the lens lines are in; as it was: {backup}\nnext: mle-uvad doctor {car}")
        _point_out_the_tub(car, wanted=True)


@app.command()
def doctor(car: Car, as_json: Json = False) -> None:
    """Look a car over before it drives: a verdict, a reason and a fix for each part. Leaves with 2 when one fails."""
    findings = examine(car, datetime.now(timezone.utc))
    failed = any(finding.verdict == FAIL for finding in findings)
    figures = {"car": str(car), "fit": not failed, "checks": [asdict(finding) for finding in findings]}
    print_figures(figures, findings_as_lines(findings), as_json)
    if failed:
        raise typer.Exit(2)


@app.command()
def events(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="The car's logs/lens_events.db.")],
    since: Annotated[str | None, typer.Option(help="Only from this date or time on, in UTC.")] = None,
    level: Annotated[str | None, typer.Option(help="Only those whose worst level is WARN or ERROR.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those that are open, ended or interrupted.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write them to this file too, all columns.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Copy their pictures into this new folder.")] = None,
    as_json: Json = False,
) -> None:
    """List the obscured-lens events of a log. Leaves with 3 when pictures to be copied are missing."""
    found = select(read_events(log), since=since, level=level, state=state)
    if csv is not None:
        write_csv(found, log, csv)
        console.print(f"{csv}: {len(found)} events", markup=False)
    copied, skipped = copy_pictures(found, log, pictures) if pictures is not None else (0, [])
    if as_json:
        print(json.dumps([asdict(event) for event in found], indent=2))
    else:
        print_events(found)
    if pictures is not None:
        console.print(f"{pictures}: {copied} pictures", markup=False)
    leave_for(skipped)


def _point_out_the_tub(car: Path, *, wanted: bool) -> None:
    try:
        problem = tub_refuses(read_car_config(car), MLEAnomalyPart.recorded, wanted=wanted)
    except InputError as error:
        problem = str(error)  # the lines are in; a configuration that cannot be read is the car's own matter
    if problem:
        print(f"note: {problem}")
