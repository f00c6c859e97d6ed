"""The file of the event log: lock it, open it, recover it after a power cut, and move it aside when damaged."""

import logging
import os
import sqlite3
import stat
from contextlib import closing
from itertools import count
from pathlib import Path

from .event import ID_MAX, prepare, readable

try:
    import fcntl
except ImportError:
    raise ImportError("mle_uvad needs Linux or macOS; on Windows, use it inside WSL") from None

logger = logging.getLogger(__name__)

HEADER = b"SQLite format 3\0"


def lock(path: Path) -> int:
    """Lock the log until this process ends, however it ends, and return the descriptor to close.

    Raises BlockingIOError if another process has it, OSError if the lock file cannot be opened or is a link.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(_lock_file(path), flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(path: Path, descriptor: int) -> bool:
    """Return whether the lock is still that of the lock file; not so once the file was deleted or replaced."""
    try:
        return os.path.samestat(os.lstat(_lock_file(path)), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def open_database(path: Path, *, busy_s: float = 0.5) -> sqlite3.Connection:
    """Open the log for writing, and create it, readable by its owner alone, if there is none.

    Raises sqlite3.OperationalError or OSError where the disk, or another program, prevents it, and
    sqlite3.DatabaseError for a file that is damaged or no log.
    """
    _check_file(path)
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(path, timeout=busy_s)
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
        return _close_open_events(path)
    except sqlite3.OperationalError:  # the fault is the disk's, not the file's
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter for a message that quotes the damage
        return max(move_aside(path, error), _close_open_events(path))


def move_aside(path: Path, error: Exception) -> int:
    """Move a damaged log aside, say so, and return the last event that can be read from it, 0 if none."""
    aside = _rename_aside(path)
    reason = " ".join(str(error).split())
    logger.warning("the event log %s is damaged (%s); moved to %s and started a new one", path, reason, aside)
    return _last_event_of_damaged(aside)


def _check_file(path: Path) -> None:
    """Raise sqlite3.DatabaseError for a file that is not a database, or only part of one.

    SQLite would open such a file: it discards the write-ahead log beside it, and reads the missing part of the last
    page as zeros. It would also wait for a pipe, and follow a link.
    """
    wal, shm = (path.with_name(f"{path.name}-{ending}") for ending in ("wal", "shm"))
    size, waiting, _ = (_regular_size(file) for file in (path, wal, shm))
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


def _regular_size(path: Path) -> int:
    """Return the size, 0 if there is no such file. Raises sqlite3.DatabaseError for a folder, link, pipe or device."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    if not stat.S_ISREG(found.st_mode):
        raise sqlite3.DatabaseError(f"{path.name} is no regular file")
    return found.st_size


def _close_open_events(path: Path) -> int:
    with closing(open_database(path, busy_s=5.0)) as database, database:
        (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        database.execute("UPDATE events SET state = 'interrupted' WHERE state = 'open'")
        return _last_event(database)


def _last_event(database: sqlite3.Connection) -> int:
    # A number beyond can only be an accident: counting on from it would leave no number for the next event.
    (last,) = database.execute("SELECT max(id) FROM events WHERE id BETWEEN 1 AND ?", (ID_MAX,)).fetchone()
    return int(last or 0)


def _rename_aside(path: Path) -> Path:
    """Rename the log and SQLite's files beside it; the log last, so that a power cut leaves it to be moved again."""
    endings = ("-wal", "-shm", "")
    for number in count(1):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not any(os.path.lexists(aside.with_name(aside.name + ending)) for ending in endings):
            break
    for ending in endings:
        file = path.with_name(path.name + ending)
        if os.path.lexists(file):
            file.rename(aside.with_name(aside.name + ending))
    return aside


def _last_event_of_damaged(aside: Path) -> int:
    try:
        _regular_size(aside)
        # Immutable, because SQLite might otherwise delete the files beside it.
        with closing(sqlite3.connect(f"{aside.absolute().as_uri()}?immutable=1", uri=True)) as database:
            return _last_event(database)
    except (sqlite3.Error, TypeError, ValueError):
        return 0
