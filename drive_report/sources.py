"""Finds and reads what a report is made of: the tubs, the event log and the calibration of a car."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..calibration import Calibration
from ..edge.errors import InputError
from ..edge.tubs.find import find_tubs
from ..edge.tubs.tub import Tub
from ..parts.config import LensConfig
from ..parts.events.event import Event, read_events
from ..parts.install.car_config import CarConfig, is_car, read_car_config
from .drives import FIELDS


@dataclass
class Sources:
    """What was found. Each part may be missing, but not all of them."""

    tubs: list[Tub] = field(default_factory=list)
    log: Path | None = None
    events: Sequence[Event] = ()
    calibration: Calibration | None = None
    notes: list[str] = field(default_factory=list)  # what is missing or unreadable, and why; one line each


def find_sources(path: Path) -> Sources:
    """Read a car's folder, an event log or a tub. Raises InputError for anything else, and for one without content."""
    if path.is_file():
        return Sources(log=path, events=read_events(path))
    if is_car(path):
        return _of_car(read_car_config(path))
    if not path.is_dir():
        raise InputError(f"there is nothing at {path}; give a car's folder, its logs/lens_events.db or a tub")
    return Sources(tubs=[Tub(path, keep=FIELDS)])


def _of_car(config: CarConfig) -> Sources:
    lens, found = LensConfig.read(config.as_cfg()), Sources()
    for folder in find_tubs(config.tub, True)[0] if config.tub.is_dir() else []:
        try:
            found.tubs.append(Tub(folder, keep=FIELDS))
        except InputError as error:
            found.notes.append(str(error))
    try:
        found.events, found.log = read_events(lens.event_log), lens.event_log
    except InputError as error:
        found.notes.append(str(error))
    try:
        found.calibration = Calibration.load(lens.calibration)
    except InputError as error:
        found.notes.append(str(error))
    if not found.tubs and found.log is None:
        raise InputError(f"{config.car} has neither a recorded drive nor an event log; drive first")
    return found
