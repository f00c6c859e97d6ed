"""The event log as a file: locked, opened, closed after a power cut, moved aside where it is damaged."""

import fcntl
import logging
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import BinaryIO

from .event import prepare, readable

logger = logging.getLogger(__name__)

HEADER = b"SQLite format 3\0"


def lock(path: Path) -> BinaryIO:
    """A lock that ends with this process, however it ends. Raises BlockingIOError when another holds it."""
    file = path.with_name(f"{path.name}.lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file


def open_database(path: Path) -> sqlite3.Connection:
    """The log, ready to be written; a new one where there is none. Raises sqlite3.Error."""
    # FULL: a commit is on the disk when it returns, also in the journal mode that lets readers in.
    database = sqlite3.connect(path, timeout=5)
    database.text_factory = readable
    try:
        database.execute("PRAGMA synchronous = FULL")
        prepare(database)
        database.execute("PRAGMA journal_mode = WAL")  # not before it is known to be ours
    except BaseException:
        database.close()
        raise
    return database


def begin(path: Path) -> int:
    """Make the log fit to be written and return the last event known; 0 when there is none.

    Raises OSError and sqlite3.Error where the disk cannot be written.
    """
    try:
        _check_file(path)
        return _close_open_events(path)
    except sqlite3.OperationalError:  # of the disk, not of the file
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # sqlite3 fails at a message that quotes the damage
        aside = _move_aside(path)
        reason = " ".join(str(error).split())
        logger.warning("the event log %s is damaged (%s): it is kept as %s, and a new one begins", path, reason, aside)
        return max(_last_event_of_damaged(aside), _close_open_events(path))


def _check_file(path: Path) -> None:
    """Raises sqlite3.DatabaseError for what is no database, or a part of one.

    Opening it, SQLite would drop the changes that wait beside; and what a last page lacks it takes for zeros.
    """
    wal = path.with_name(f"{path.name}-wal")
    size, waiting = (file.stat().st_size if file.exists() else 0 for file in (path, wal))
    if size == waiting == 0:
        return
    header = b""
    if size:
        with path.open("rb") as file:
            header = file.read(100)
    if not header.startswith(HEADER):
        raise sqlite3.DatabaseError("it is no database")
    # SQLite takes these for a file that may not be written, or of a later format: for the disk's fault, not the file's.
    journal, schema_format, encoding = header[18:20], header[44:48], header[56:60]
    if not {*journal} <= {1, 2} or int.from_bytes(schema_format, "big") > 4 or int.from_bytes(encoding, "big") > 1:
        raise sqlite3.DatabaseError("its header is damaged")
    if not waiting and size % (int.from_bytes(header[16:18], "big") or 1):  # else the changes may well mend it
        raise sqlite3.DatabaseError("its end is missing")


def _close_open_events(path: Path) -> int:
    with closing(open_database(path)) as database, database:
        (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        database.execute("UPDATE events SET state = 'interrupted' WHERE state = 'open'")
        (last,) = database.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    return int(last)


def _move_aside(path: Path) -> Path:
    """Rename the log with what SQLite keeps beside it, the log last: a cut in between leaves a log to move again."""
    endings = ("-wal", "-shm", "")
    for number in count(1):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not any(aside.with_name(aside.name + ending).exists() for ending in endings):
            break
    for ending in endings:
        file = path.with_name(path.name + ending)
        if file.exists():
            file.rename(aside.with_name(aside.name + ending))
    return aside


def _last_event_of_damaged(aside: Path) -> int:
    try:
        # Immutable: else SQLite might clear away what lies beside it.
        with closing(sqlite3.connect(f"{aside.absolute().as_uri()}?immutable=1", uri=True)) as database:
            return int(database.execute("SELECT max(id) FROM events").fetchone()[0] or 0)
    except (sqlite3.Error, TypeError, ValueError):
        return 0
