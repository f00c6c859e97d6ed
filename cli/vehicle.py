"""The commands around a car: put the part into its manage.py, look it over."""

from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from ..edge.errors import InputError
from ..parts.anomaly import MLEAnomalyPart
from ..parts.car_config import read_car_config, tub_refuses
from ..parts.doctor import FAIL, examine
from ..parts.manage_py import ManagePy, advice
from ..parts.templates import lines_by_hand
from .app import Json, app, print_figures
from .tables import findings_as_lines

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


def _point_out_the_tub(car: Path, *, wanted: bool) -> None:
    try:
        problem = tub_refuses(read_car_config(car), MLEAnomalyPart.recorded, wanted=wanted)
    except InputError as error:
        problem = str(error)  # the lines are in; a configuration that cannot be read is the car's own matter
    if problem:
        print(f"note: {problem}")
