"""The drives that a command is given: tubs, folders of tubs, or cars."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..edge.errors import InputError
from ..edge.tubs.camera_field import find_camera_field
from ..edge.tubs.find import find_tubs
from ..edge.tubs.times import open_drive
from ..edge.tubs.tub import Tub
from ..parts.config import LensConfig
from ..parts.install.car_config import is_car, read_car_config
from .console import console

CameraField = Annotated[
    str | None,
    typer.Option(
        "--camera", help="Field with the pictures. Default: that of the car given, cam/image_array, or the only one."
    ),
]
Hz = Annotated[
    float | None,
    typer.Option(
        "--hz",
        help="Take the records as evenly spaced, so many per second; for times that are wrong.",
        show_default="the times of the records",
    ),
]
EveryTub = Annotated[bool, typer.Option("--all", help="Read all tubs in a folder that holds several.")]


def lens_of(car: Path) -> LensConfig:
    """Return the LENS_ settings of a car."""
    return LensConfig.read(read_car_config(car).as_cfg())


def tubs_of(given: Sequence[Path], *, every: bool) -> list[Path]:
    """Return the tubs that the given folders stand for. Says which were chosen where a folder holds several.

    Raises InputError where several have records, unless `every` is set.
    """
    return [tub for folder in given for tub in _found(folder, every)]


def one_tub(given: Path) -> Path:
    """Return the only tub with records that a folder stands for. Raises InputError where there are several."""
    [tub] = _found(given, None)
    return tub


def camera_of(given: Path, tub: Path, asked: str | None) -> str | None:
    """Return the field with the pictures: as asked for, or what the part gets on the car that was given.

    None, which leaves the choice to the tub, where no car was given or its tub does not record that channel.
    """
    if asked is not None or not is_car(given):
        return asked
    try:
        return find_camera_field(tub, lens_of(given).camera_channel)
    except InputError:
        return None


def open_drives(tubs: Sequence[Path], camera: str | None, hz: float | None) -> tuple[list[Tub], dict[str, str]]:
    """Open the tubs that can be read; return them, and for each other one the reason.

    Raises InputError when none can be read.
    """
    drives, failed = [], {}
    for tub in tubs:
        try:
            drives.append(open_drive(tub, camera, hz))
        except InputError as error:
            failed[str(tub)] = str(error)
    if not drives:
        reasons = list(failed.values())
        raise InputError(reasons[0] if len(reasons) == 1 else f"no tub can be read: {' | '.join(reasons)}")
    return drives, failed


def print_failed(failed: dict[str, str], what: str) -> None:
    """List the tubs that were left out, each with its reason."""
    for tub, reason in failed.items():
        console.print(f"{what}: {tub}: {reason}")


def _found(folder: Path, every: bool | None) -> list[Path]:
    of_car = is_car(folder)
    tubs, note = find_tubs(read_car_config(folder).tub if of_car else folder, every, of_car=of_car)
    if note:
        console.print(note)
    return tubs
