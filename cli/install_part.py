"""`mle-uvad install-part`: edit a car's manage.py."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..edge.errors import InputError
from ..parts.anomaly import MLEAnomalyPart
from ..parts.config import LensConfig
from ..parts.install.base_bundle import install_base_bundle
from ..parts.install.button import shared_button
from ..parts.install.by_hand import lines_to_add
from ..parts.install.car_config import read_car_config, tub_refuses
from ..parts.install.manage_py import ManagePy, advice
from .app import CarFolder


def install_part(
    car: CarFolder,
    check: Annotated[bool, typer.Option("--check", help="Only report whether the lines are in manage.py.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Remove the lines.")] = False,
) -> None:
    """Add the part, its tub fields, limiter, overlay and page to a stock manage.py (template complete or basic).

    A car without a bundle gets the one that ships with the package.
    """
    if check and undo:
        raise InputError("--check and --undo exclude each other; give one of them")
    manage = ManagePy.read(car)
    if check:
        if not manage.is_complete:
            raise InputError(advice(manage))
        print(advice(manage))
        print(f"next: mle-uvad doctor {shlex.quote(str(car))}")
    elif undo:
        kept = manage.undo()
        print(f"{manage.path}: the lens lines are removed" + (f"; the file before: {kept}" if kept else ""))
        _print_tub_note(car, wanted=False)
        print(f"next: python {shlex.quote(str(manage.path))} drive")
    elif manage.is_complete:
        print(advice(manage))
        _place_bundle(car)
        print(f"next: mle-uvad doctor {shlex.quote(str(car))}")
    else:
        if manage.state == "by hand" and manage.by_hand.missing:
            print(f"Add these lines to {manage.path} by hand:\n\n{lines_to_add(manage.by_hand.missing)}")
            raise InputError(f"{advice(manage).partition('; ')[0]}; add the lines above by hand")
        if manage.state == "absent" and manage.template is None:
            print(f"Add these lines to {manage.path} by hand:\n\n{lines_to_add(manage.by_hand.places())}")
        backup = manage.install()
        print(f"{manage.path}: the lens lines are in; the file before: {backup}")
        _place_bundle(car)
        _print_tub_note(car, wanted=True)
        _print_button_note(car)
        print(f"next: mle-uvad doctor {shlex.quote(str(car))}")


def _place_bundle(car: Path) -> None:
    """Give the car the bundle that ships with the package, if it has none."""
    try:
        done = install_base_bundle(read_car_config(car))
    except InputError as error:
        done = f"note: {error}"  # no failure: manage.py is edited, and `doctor` reports what is wrong
    if done:
        print(done)


def _print_tub_note(car: Path, *, wanted: bool) -> None:
    """Say so when the car's tub was created with other fields than manage.py now records."""
    try:
        problem = tub_refuses(read_car_config(car), MLEAnomalyPart.recorded, wanted=wanted)
    except InputError as error:
        problem = str(error)  # no failure: manage.py is edited, and the configuration was unreadable before
    if problem:
        print(f"note: {problem}")


def _print_button_note(car: Path) -> None:
    """Say so when the button that starts a calibration already does something else in this car."""
    try:
        config = read_car_config(car)
        problem = shared_button(ManagePy.read(car), config, LensConfig.read(config.as_cfg()))
    except InputError:
        return  # the note on the tub, or the doctor, says what is wrong with the configuration
    if problem:
        print(f"note: {problem}")
