"""The event log: an SQLite file, written by a thread of its own so that a slow disk never delays the car."""

import logging
import math
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

from ...edge.errors import InputError
from .database import is_locked, lock, move_aside, open_database, recover
from .event import COLUMNS, Event
from .event_queue import EventQueue
from .snapshots import Snapshot, SnapshotFolder

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 1.0
CHECK_LOCK_EVERY_S = 1.0
FOLDER_GONE_S = 60.0  # after which a folder that was removed is made again
CLOSE_WITHIN_S = 5.0
PICTURES_MB = 200.0


class EventLog:
    """Writes events durably and in order: a row is on the disk soon after its event begins, changes or ends.

    While the disk is slow or cannot be written, only the newest row of each event waits.
    The constructor raises InputError when the log cannot be opened or another process writes it; `write` neither
    raises nor blocks. Events that a power cut or a kill left open become `interrupted`. A file that is damaged, or not
    a log of this version, is moved aside and a new log started, also while driving; the numbering of events continues.
    """

    def __init__(self, path: Path, *, pictures_mb: float = PICTURES_MB) -> None:
        self._path = path
        self._queue = EventQueue()
        self._give_up_at_s = math.inf  # on the monotonic clock; set by `close`
        self._warned_of_purging = self._warned_of_lock = False
        self.lost = 0  # changes that neither the disk nor the queue took
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = lock(path)
            try:
                self._snapshots = SnapshotFolder(path.parent, pictures_mb)
                self.next_event_id = max(recover(path), self._snapshots.last_event_id) + 1
            except BaseException:
                os.close(self._lock)
                raise
        except BlockingIOError:
            raise InputError(f"another process writes {path}; stop it, or set LENS_EVENT_LOG to another path") from None
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"the event log {path} cannot be opened ({error}); set LENS_EVENT_LOG to another path"
            ) from None
        self._thread = threading.Thread(target=self._work, name="lens event log", daemon=True)
        self._thread.start()

    def write(self, event: Event, snapshot: Snapshot | None = None) -> None:
        """Queue a new or changed event, with the snapshot of its onset or worst moment. Returns at once."""
        if self._give_up_at_s == math.inf and not self._queue.put(event, snapshot):
            self._lose("the queue is full")

    def close(self) -> None:
        """Write the queue and stop, within five seconds; say how many changes are lost. Further calls do nothing."""
        if self._give_up_at_s < math.inf:
            return
        self._give_up_at_s = time.monotonic() + CLOSE_WITHIN_S
        self._queue.close()
        self._thread.join(CLOSE_WITHIN_S)
        if left := len(self._queue):
            self.lost += left
            logger.error("the event log %s cannot be written: %d changes are lost", self._path, left)
        os.close(self._lock)

    def _work(self) -> None:
        while (event := self._next()) is not None:
            try:
                self._write_row(event)
            except Exception as error:  # noqa: BLE001 a row that cannot be written must not block the next
                if self._is_closing_late():
                    return  # `close` counts what is left
                self._lose(f"{type(error).__name__}: {error}")
                self._queue.done(event)
                continue
            if snapshots := self._queue.done(event):
                self._save(event, snapshots)

    def _save(self, event: Event, snapshots: Sequence[Snapshot]) -> None:
        """Save snapshots of an event. The row matters more; a full disk has no room for them."""
        try:
            for snapshot in snapshots:
                self._snapshots.save(snapshot)
        except Exception as error:  # noqa: BLE001 nothing may end the thread
            logger.warning("no snapshot of lens event %d: %s", event.id, error)
        try:
            self._purge_old_snapshots()
        except Exception as error:  # noqa: BLE001 nothing may end the thread
            logger.warning("the oldest snapshots of lens events cannot be deleted (%s); tried with the next", error)

    def _next(self) -> Event | None:
        """Wait for an event to write; None once the log is closed and nothing waits."""
        while (event := self._queue.first(CHECK_LOCK_EVERY_S)) is None:
            if self._give_up_at_s < math.inf:  # from here on `close` has the lock
                return self._queue.first(0)  # one may have come just before
            self._keep_lock()
        return event

    def _keep_lock(self) -> None:
        """Lock again if the lock file was deleted, before a second process starts on the same log."""
        try:
            if is_locked(self._path, self._lock):
                return
            fresh = lock(self._path)
        except BlockingIOError:
            if not self._warned_of_lock:
                self._warned_of_lock = True
                logger.error("another process has begun to write the event log %s; stop one of the two", self._path)
        except OSError:
            return  # the folder is gone, or the disk fails: tried again
        else:
            os.close(self._lock)
            self._lock = fresh

    def _is_closing_late(self) -> bool:
        return time.monotonic() + RETRY_AFTER_S > self._give_up_at_s

    def _purge_old_snapshots(self) -> None:
        """Delete the oldest snapshots when the budget is exceeded, after clearing their paths in the rows."""
        last = self._snapshots.last_to_purge()
        if not last:
            return
        with closing(open_database(self._path)) as database, database:
            database.execute(
                "UPDATE events SET picture = '', heat_map = '', worst_picture = '', worst_heat_map = '' WHERE id <= ?",
                (last,),
            )
        self._snapshots.purge(last)
        if not self._warned_of_purging:
            self._warned_of_purging = True
            logger.warning(
                "the snapshots of lens events exceed LENS_PICTURES_MB: deleted the oldest, up to event %d", last
            )

    def _write_row(self, event: Event) -> None:
        """Write one row; retry while the disk or another process prevents it, and begin a new log if it is damaged."""
        failing_since_s: float | None = None
        moved = False
        while True:
            try:
                self._insert(event)
                return
            except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
                raise  # the fault is the row's
            except (OSError, sqlite3.OperationalError) as error:
                if failing_since_s is None:
                    failing_since_s = time.monotonic()
                    logger.warning("the event log %s cannot be written (%s); retrying", self._path, error)
                late = self._is_closing_late()
                # Not at once: a card that was pulled out comes back in its place.
                if (late or time.monotonic() - failing_since_s > FOLDER_GONE_S) and self._make_folder():
                    continue
                if late:
                    raise
                time.sleep(RETRY_AFTER_S)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if moved:
                    raise
                moved = True
                move_aside(self._path, error)

    def _make_folder(self) -> bool:
        """Make the folder of the log again; return whether it was gone and now is there."""
        try:
            self._path.parent.mkdir(parents=True)
        except OSError:
            return False
        return True

    def _insert(self, event: Event) -> None:
        columns, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
        with closing(open_database(self._path)) as database, database:
            database.execute(f"INSERT OR REPLACE INTO events ({columns}) VALUES ({marks})", astuple(event))

    def _lose(self, reason: str) -> None:
        self.lost += 1
        logger.error("the event log lost a change, %d so far: %s", self.lost, reason)
