"""`mle-uvad events`: read a car's event log."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..edge.errors import InputError
from ..parts.events.event import read_events
from ..parts.events.export import copy_snapshots, select, write_csv
from ..parts.install.car_config import is_car
from .app import Json, finish
from .console import console
from .drives import lens_of
from .tables import print_events


def events(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="The car's logs/lens_events.db, or the car.")],
    since: Annotated[
        str | None, typer.Option(help="Only events from this date or time (UTC) on.", show_default="all events")
    ] = None,
    level: Annotated[
        str | None, typer.Option(help="Only events whose worst level is WARN, or ERROR.", show_default="any level")
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Only events that are open, ended or interrupted.", show_default="any state")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Also write the events to this CSV file, with all columns.", show_default="none is written"),
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Copy the events' snapshots to this new folder.", show_default="none is copied")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the obscured-lens events of a log. Exits with 3 when snapshots to be copied are missing."""
    given = log
    if is_car(log):
        car, log = log, lens_of(log).event_log
        if not log.exists():
            raise InputError(f"{car} has no event log yet, {log}; drive it with the lens part first")
    selected = select(read_events(log), since=since, level=level, state=state)
    if csv is not None:
        write_csv(selected, log, csv)
        console.print(f"{csv}: {len(selected)} events")
    copied, skipped = copy_snapshots(selected, log, pictures) if pictures is not None else (0, [])
    if as_json:
        print(json.dumps([asdict(event) for event in selected], indent=2))
    else:
        print_events(selected)
    if pictures is not None:
        console.print(f"{pictures}: {copied} pictures")
    finish(skipped, f"mle-uvad report {shlex.quote(str(given))}")
