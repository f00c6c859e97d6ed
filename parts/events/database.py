"""The file of the event log: lock it, open it, recover it after a power cut, and move it aside when damaged."""

import logging
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import BinaryIO

from .event import prepare, readable

try:
    import fcntl
except ImportError:
    raise ImportError("mle_uvad needs Linux or macOS; on Windows, use it inside WSL") from None

logger = logging.getLogger(__name__)

HEADER = b"SQLite format 3\0"


def lock(path: Path) -> BinaryIO:
    """Lock the log until this process ends, however it ends. Raises BlockingIOError if another process has it."""
    file = path.with_name(f"{path.name}.lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file


def open_database(path: Path) -> sqlite3.Connection:
    """Open the log for writing, and create it if there is none. Raises sqlite3.Error."""
    database = sqlite3.connect(path, timeout=5)
    database.text_factory = readable
    try:
        database.execute("PRAGMA synchronous = FULL")  # a commit is on the disk when it returns, in WAL mode too
        prepare(database)
        database.execute("PRAGMA journal_mode = WAL")  # only once the file is known to be an event log
    except BaseException:
        database.close()
        raise
    return database


def recover(path: Path) -> int:
    """Mark open events as interrupted, or move a damaged log aside; return the last event known, 0 if none.

    Raises OSError or sqlite3.Error when the disk cannot be written.
    """
    try:
        _check_file(path)
        return _close_open_events(path)
    except sqlite3.OperationalError:  # the fault is the disk's, not the file's
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter for a message that quotes the damage
        aside = _move_aside(path)
        reason = " ".join(str(error).split())
        logger.warning("the event log %s is damaged (%s); moved to %s and started a new one", path, reason, aside)
        return max(_last_event_of_damaged(aside), _close_open_events(path))


def _check_file(path: Path) -> None:
    """Raise sqlite3.DatabaseError for a file that is not a database, or only part of one.

    SQLite would open such a file: it discards the write-ahead log beside it, and reads the missing part of the last
    page as zeros.
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
        raise sqlite3.DatabaseError("it is not a database")
    # SQLite would report these as a read-only file or a later format, which looks like the disk's fault.
    journal, schema_format, encoding = header[18:20], header[44:48], header[56:60]
    if not {*journal} <= {1, 2} or int.from_bytes(schema_format, "big") > 4 or int.from_bytes(encoding, "big") > 1:
        raise sqlite3.DatabaseError("its header is damaged")
    if not waiting and size % (int.from_bytes(header[16:18], "big") or 1):  # with a write-ahead log it may be complete
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
    """Rename the log and SQLite's files beside it; the log last, so that a power cut leaves it to be moved again."""
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
        # Immutable, because SQLite might otherwise delete the files beside it.
        with closing(sqlite3.connect(f"{aside.absolute().as_uri()}?immutable=1", uri=True)) as database:
            return int(database.execute("SELECT max(id) FROM events").fetchone()[0] or 0)
    except (sqlite3.Error, TypeError, ValueError):
        return 0
