"""Calibrating a car that is being driven: ask its part, show how it goes, tell how it ended."""

import time
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from ..edge.errors import InputError
from ..parts.calibration_request import Answer, ask
from ..parts.config import LensConfig
from ..parts.install.car_config import read_car_config
from .app import print_figures
from .console import console


def calibrate_running_car(car: Path, as_json: bool) -> None:
    """Start a calibration on the car and follow it. Raises InputError when no car answers or it refuses the drive."""
    path = LensConfig.read(read_car_config(car).as_cfg()).calibration
    last = _follow(path.parent)
    if last.state != "calibrated":
        raise InputError(f"not calibrated: {last.detail}")
    line = f"{path}: calibrated, and in force" + (f"; {last.detail}" if last.detail else "")
    print_figures({"calibration": str(path), "state": last.state, "detail": last.detail}, line, as_json)


def _follow(folder: Path) -> Answer:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("calibrating, drive on", total=1.0)
        for answer in ask(folder, time.monotonic, time.sleep):
            bar.update(task, completed=answer.progress)
    return answer
