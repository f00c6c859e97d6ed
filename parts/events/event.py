"""The rows of the event log: their schema, its migration, and reading them."""

import json
import math
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_type_hints

from ... import __version__
from ...edge.errors import InputError

OK, WARN, ERROR = "OK", "WARN", "ERROR"  # as ROS names them; its fourth, STALE, is the part's status `stale`
STATES = ("open", "ended", "interrupted")
SCHEMA = 2
ID_MAX = 2**53  # SQLite's own limit is 2**63 − 1
CREATE = """
CREATE TABLE events (
    id             INTEGER PRIMARY KEY,
    state          TEXT NOT NULL CHECK (state IN ('open', 'ended', 'interrupted')),
    level          TEXT NOT NULL,  -- WARN or ERROR, the last known; OK once the lens was clear again
    worst_level    TEXT NOT NULL,  -- WARN or ERROR
    began_at       TEXT NOT NULL,  -- ISO 8601 in UTC; a car without a clock may be wrong
    duration_s     REAL,           -- by the monotonic clock; NULL while open or when interrupted
    pcc            REAL,           -- at onset
    peak_evidence  REAL NOT NULL,  -- 1.0 is the alarm threshold
    coverage       REAL NOT NULL,  -- 0…1 of the lens, the last known
    peak_coverage  REAL NOT NULL,
    frames         INTEGER NOT NULL,
    cause          TEXT NOT NULL,  -- where and how far the lens was obscured, at the largest coverage
    advice         TEXT NOT NULL,  -- what to do
    picture        TEXT NOT NULL,  -- frame at onset, a file beside the log; these four are empty once purged
    heat_map       TEXT NOT NULL,  -- evidence map at onset, likewise
    worst_picture  TEXT NOT NULL,  -- at the worst moment; empty while that is the onset
    worst_heat_map TEXT NOT NULL,
    cleared_by     TEXT NOT NULL,  -- wiped, faded, returned; empty when unknown
    drive          TEXT NOT NULL,  -- one run of the car's program
    model_sha256   TEXT NOT NULL,
    calibrated_at  TEXT NOT NULL,
    versions       TEXT NOT NULL   -- of the software, JSON
)
"""
# A new table, not an altered one: SQLite keeps the text that made it, by which damage to it is found.
FROM_SCHEMA_1 = (
    "ALTER TABLE events RENAME TO events_1;\n"
    + CREATE
    + """;
INSERT INTO events SELECT id, state, 'WARN', 'WARN', began_at, duration_s, pcc, peak_evidence, peak_coverage,
    peak_coverage, frames, '', '', picture, heat_map, '', '', '', drive, model_sha256, calibrated_at,
    '{"mle_uvad": "' || version || '"}' FROM events_1;
DROP TABLE events_1"""
)
MIGRATIONS = {0: CREATE, 1: FROM_SCHEMA_1, SCHEMA: ""}  # by the schema found


@dataclass(frozen=True)
class Event:
    """One obscured-lens event. The fields are the columns of the table, in order."""

    id: int
    state: str
    level: str
    worst_level: str
    began_at: str
    duration_s: float | None
    pcc: float | None
    peak_evidence: float
    coverage: float
    peak_coverage: float
    frames: int
    cause: str
    advice: str
    picture: str
    heat_map: str
    worst_picture: str
    worst_heat_map: str
    cleared_by: str
    drive: str
    model_sha256: str
    calibrated_at: str
    versions: str


COLUMNS = tuple(field.name for field in fields(Event))


def software_versions() -> str:
    """Return the versions of this package, Python and the runtimes imported so far, as JSON."""
    runtimes = [name for name in ("numpy", "onnxruntime", "tensorrt") if name in sys.modules]
    versions = {"mle_uvad": __version__, "python": platform.python_version()}
    return json.dumps(versions | {name: sys.modules[name].__version__ for name in runtimes})


def prepare(database: sqlite3.Connection) -> None:
    """Create the table in an empty database, or migrate it from schema 1, in one transaction.

    Raises sqlite3.DatabaseError for a database that is not an event log, or that a later version wrote, and for one
    whose schema is not to the letter that of this version: a lost key or a planted trigger would lose events.
    """
    (schema,) = database.execute("PRAGMA user_version").fetchone()
    if schema not in MIGRATIONS:
        raise sqlite3.DatabaseError(f"it has schema {schema}, this version writes {SCHEMA}")
    if schema == 0 and database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        raise sqlite3.DatabaseError("it holds other tables")
    if schema != SCHEMA:
        with database:
            database.execute("BEGIN")
            for statement in MIGRATIONS[schema].split(";\n"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {SCHEMA}")
    found = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    if found != [("table", "events", "events", CREATE.strip())]:
        raise sqlite3.DatabaseError("its schema is not that of this version")


def readable(text: bytes) -> str:
    """Decode a text of the log. A damaged byte is replaced, so that it does not make every other event unreadable."""
    return text.decode(errors="replace")


def read_events(path: Path) -> list[Event]:
    """Return all events of a log, oldest first, without changing it.

    Reads schema 1 too, and a log that a car is writing. Raises InputError for a file that is not an event log.
    """
    if not path.is_file():
        raise InputError(f"there is no event log at {path}; give the car's logs/lens_events.db")
    try:
        try:
            return _read(path)
        except sqlite3.OperationalError:
            # On a card mounted read-only SQLite cannot create the files that it needs beside the log: read a copy.
            with TemporaryDirectory() as folder:
                for name in (path.name, f"{path.name}-wal"):
                    if (path.parent / name).is_file():
                        shutil.copy(path.parent / name, folder)
                return _read(Path(folder) / path.name)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # from sqlite3, for a message that quotes the damage
        raise InputError(f"{path} is not an event log ({error}); give the car's logs/lens_events.db") from None


def _read(path: Path) -> list[Event]:
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database,
        closing(sqlite3.connect(":memory:")) as copy,
    ):
        database.text_factory = copy.text_factory = readable
        (schema,) = database.execute("PRAGMA user_version").fetchone()
        if schema not in (1, SCHEMA):
            raise InputError(f"{path} was written by another version (schema {schema}, not {SCHEMA})")
        if schema == 1:
            database.backup(copy)
            prepare(copy)
        rows = (copy if schema == 1 else database).execute(f"SELECT {', '.join(COLUMNS)} FROM events ORDER BY id")
        return [_event_of(row) for row in rows]


def _event_of(row: tuple[Any, ...]) -> Event:
    """Return the event of a row. A value of another type than the column's is converted, or taken as 0 or unknown."""
    return Event(*(_CONVERT[kind](value) for kind, value in zip(_TYPES, row, strict=True)))


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) else 0.0


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else int(_number(value))


def _text(value: Any) -> str:
    return readable(value) if isinstance(value, bytes) else "" if value is None else str(value)


_TYPES = tuple(get_type_hints(Event).values())
_CONVERT: dict[Any, Callable[[Any], Any]] = {
    int: _whole,
    str: _text,
    float: _number,
    float | None: lambda value: None if value is None else _number(value),
}
