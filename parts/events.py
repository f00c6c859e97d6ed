"""The rows of the event log, and reading them."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

from ..edge.errors import InputError

SCHEMA = 1
CREATE = """
CREATE TABLE events (
    id             INTEGER PRIMARY KEY,
    state          TEXT NOT NULL CHECK (state IN ('open', 'ended', 'interrupted')),
    began_at       TEXT NOT NULL,  -- ISO 8601 in UTC; a car without a clock may be wrong
    duration_s     REAL,           -- by the monotonic clock; NULL while open or when interrupted
    pcc            REAL,           -- at onset
    peak_evidence  REAL NOT NULL,  -- 1.0 is the alarm limit
    peak_coverage  REAL NOT NULL,  -- 0…1 of the lens
    frames         INTEGER NOT NULL,
    picture        TEXT NOT NULL,  -- clean frame at onset, a file beside the log
    heat_map       TEXT NOT NULL,  -- where the evidence lies, likewise
    drive          TEXT NOT NULL,  -- one run of the car's program
    model_sha256   TEXT NOT NULL,
    calibrated_at  TEXT NOT NULL,
    version        TEXT NOT NULL   -- of mle_uvad
)
"""


@dataclass(frozen=True)
class Event:
    """One obscured-lens event; the columns of the table, in order."""

    id: int
    state: str
    began_at: str
    duration_s: float | None
    pcc: float | None
    peak_evidence: float
    peak_coverage: float
    frames: int
    picture: str
    heat_map: str
    drive: str
    model_sha256: str
    calibrated_at: str
    version: str


COLUMNS = tuple(field.name for field in fields(Event))


def read_events(path: Path) -> list[Event]:
    """All events of a log, oldest first, also while the car writes it. Raises InputError for what is no log."""
    if not path.is_file():
        raise InputError(f"no event log at {path}; give the car's logs/lens_events.db")
    try:
        try:
            return _read(path)
        except sqlite3.OperationalError:
            # A card mounted read-only: SQLite wants to write beside the log, so it reads a copy.
            with TemporaryDirectory() as folder:
                for name in (path.name, f"{path.name}-wal"):
                    if (path.parent / name).is_file():
                        shutil.copy(path.parent / name, folder)
                return _read(Path(folder) / path.name)
    except sqlite3.Error as error:
        raise InputError(f"{path} is no event log ({error}); give the car's logs/lens_events.db") from None


def _read(path: Path) -> list[Event]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        schema = database.execute("PRAGMA user_version").fetchone()[0]
        if schema != SCHEMA:
            raise InputError(f"{path} is no event log of this version (schema {schema}, not {SCHEMA})")
        rows = database.execute(f"SELECT {', '.join(COLUMNS)} FROM events ORDER BY id")
        return [Event(*row) for row in rows]
