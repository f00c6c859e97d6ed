"""Export from an event log: a selection of events, a CSV file, the snapshots."""

import csv
from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...edge.atomic_write import atomic_write
from ...edge.errors import InputError
from ...edge.read_file import read_file, real_path
from ...edge.tubs.image import IMAGE_BYTES_MAX
from ...edge.tubs.tub import Skipped
from .event import COLUMNS, ERROR, STATES, WARN, Event
from .snapshots import FOLDER, NAME

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def select(
    events: Sequence[Event], *, since: str | None = None, level: str | None = None, state: str | None = None
) -> list[Event]:
    """Return the events that began at `since` or later, with this worst level and state. Raises InputError."""
    if level not in (None, WARN, ERROR):
        raise InputError(f"--level is {level}; give {WARN} or {ERROR}")
    if state not in (None, *STATES):
        raise InputError(f"--state is {state}; give one of {', '.join(STATES)}")
    began = _as_written(since) if since else ""
    return [
        event
        for event in events
        if event.began_at >= began and level in (None, event.worst_level) and state in (None, event.state)
    ]


def _as_written(since: str) -> str:
    """Return a time in the format of the log. Without an offset it is taken as UTC, as in the listing."""
    try:
        time = datetime.fromisoformat(since.replace("Z", "+00:00"))  # Python 3.10 does not accept Z
    except ValueError:
        raise InputError(
            f"--since is {since}; give a date in UTC, for example 2026-05-31 or 2026-05-31T14:30"
        ) from None
    aware = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    try:
        return aware.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    except OverflowError:  # in UTC it is before year 1 or after 9999
        raise InputError(f"--since is {since}; give a date in UTC, for example 2026-05-31") from None


def write_csv(events: Sequence[Event], log: Path, out: Path) -> None:
    """Write one row per event with all columns, empty where undefined. Raises InputError if `out` cannot be written."""
    if not out.name or out.is_dir():
        raise InputError(f"{out} is a folder; give the path of a file to --csv")
    target = real_path(out)
    if target.parent == real_path(log).parent and target.name.startswith(real_path(log).name):
        raise InputError(f"{out} belongs to the log; give another path to --csv")
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as draft, draft.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([_no_formula(cell) for cell in astuple(event)] for event in events)


def _no_formula(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: the log may come from anyone."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def copy_snapshots(events: Sequence[Event], log: Path, folder: Path) -> tuple[int, list[Skipped]]:
    """Copy the snapshots of these events into a new folder; return how many, and those that are missing.

    Raises InputError for a folder that is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; give a new folder to --pictures")
    folder.mkdir(parents=True, exist_ok=True)
    copied, skipped = 0, []
    for event in events:
        for name in filter(None, (event.picture, event.heat_map, event.worst_picture, event.worst_heat_map)):
            data = _snapshot(log, Path(name).name)
            if data is None:
                skipped.append(Skipped("picture is not beside the log", name))
                continue
            (folder / Path(name).name).write_bytes(data)
            copied += 1
    return copied, skipped


def _snapshot(log: Path, name: str) -> bytes | None:
    """Return the file of this name if it is a snapshot's, in their folder beside the log, else None.

    The log and its folder may come from anyone: no link is followed.
    """
    try:
        return read_file(log.parent / FOLDER / name, IMAGE_BYTES_MAX) if NAME.fullmatch(name) else None
    except OSError:
        return None
