"""The event log: an SQLite file, written by a thread of its own so that a slow disk never delays the car."""

import logging
import math
import queue
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

from ...edge.errors import InputError
from .database import lock, open_database, recover
from .event import COLUMNS, Event
from .snapshots import Snapshot, SnapshotFolder

logger = logging.getLogger(__name__)

QUEUE_EVENTS = 256  # held in memory while the disk cannot be written
QUEUE_WITH_SNAPSHOTS = 16  # beyond this only rows are queued, because snapshots are large
RETRY_AFTER_S = 1.0
CLOSE_WITHIN_S = 5.0
PICTURES_MB = 200.0


class EventLog:
    """Writes events durably and in order: a row is on the disk soon after its event begins, changes or ends.

    The constructor raises InputError when the log cannot be opened or another process writes it; `write` neither
    raises nor blocks. Events that a power cut or a kill left open become `interrupted`. A file that is damaged, or not
    a log of this version, is moved aside and a new log started; the numbering of events continues.
    """

    def __init__(self, path: Path, *, pictures_mb: float = PICTURES_MB) -> None:
        self._path = path
        self._queue: queue.Queue[tuple[Event, Snapshot | None] | None] = queue.Queue(QUEUE_EVENTS)
        self._give_up_at_s = math.inf  # on the monotonic clock; set by `close`
        self._warned_of_purging = False
        self.lost = 0  # changes that never reached the disk
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = lock(path)
            self._snapshots = SnapshotFolder(path.parent, pictures_mb)
            self.next_event_id = max(recover(path), self._snapshots.last_event_id) + 1
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
        if self._queue.qsize() >= QUEUE_WITH_SNAPSHOTS:
            snapshot = None
        try:
            self._queue.put_nowait((event, snapshot))
        except queue.Full:
            self._lose("the queue is full")

    def close(self) -> None:
        """Write the queue and stop, within five seconds. Further calls do nothing."""
        if self._give_up_at_s < math.inf:
            return
        self._give_up_at_s = time.monotonic() + CLOSE_WITHIN_S
        try:
            self._queue.put(None, timeout=CLOSE_WITHIN_S)
            self._thread.join(CLOSE_WITHIN_S)
        except queue.Full:
            logger.error("the event log cannot be written: %d changes are lost", self._queue.qsize())
        self._lock.close()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            event, snapshot = item
            try:
                self._write_row(event)
            except Exception as error:  # noqa: BLE001 a row that cannot be written must not block the next
                self._lose(f"{type(error).__name__}: {error}")
                continue
            if snapshot is not None:
                try:
                    self._snapshots.save(snapshot)
                    self._purge_old_snapshots()
                except Exception as error:  # noqa: BLE001 the row matters more; a full disk has no room for snapshots
                    logger.warning("no snapshot of lens event %d: %s", event.id, error)

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
        """Write one row; retry while the disk or another process prevents it."""
        columns, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
        warned = False
        while True:
            try:
                with closing(open_database(self._path)) as database, database:
                    database.execute(f"INSERT OR REPLACE INTO events ({columns}) VALUES ({marks})", astuple(event))
                return
            except (OSError, sqlite3.OperationalError) as error:
                if time.monotonic() + RETRY_AFTER_S > self._give_up_at_s:
                    raise
                if not warned:
                    logger.warning("the event log %s cannot be written (%s); retrying", self._path, error)
                warned = True
                time.sleep(RETRY_AFTER_S)

    def _lose(self, reason: str) -> None:
        self.lost += 1
        logger.error("the event log lost a change, %d so far: %s", self.lost, reason)
