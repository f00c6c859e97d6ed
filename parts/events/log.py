"""The event log: SQLite, written by its own thread, so that no disk ever holds up the car."""

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
from .database import begin, lock, open_database
from .event import COLUMNS, Event
from .snapshots import Snapshot, SnapshotFolder

logger = logging.getLogger(__name__)

QUEUE_EVENTS = 256  # wait in memory while the disk cannot be written
QUEUE_WITH_PICTURES = 16  # beyond, the rows alone: pictures are large
RETRY_AFTER_S = 1.0
CLOSE_WITHIN_S = 5.0
PICTURES_MB = 200.0


class EventLog:
    """Writes events durably, in order: the row is on the disk soon after the event opens, changes and ends.

    Raises InputError when the log cannot be opened or another process writes it; after that `write` neither raises
    nor waits. Events that a power cut or a kill left open are closed as `interrupted`. What is damaged, or no log of
    this version, is moved aside and a new log begins; the numbers of events go on after all that is known.
    """

    def __init__(self, path: Path, *, pictures_mb: float = PICTURES_MB) -> None:
        self._path = path
        self._queue: queue.Queue[tuple[Event, Snapshot | None] | None] = queue.Queue(QUEUE_EVENTS)
        self._give_up_at_s = math.inf  # on the monotonic clock; set by `close`
        self._told_of_purging = False
        self.lost = 0  # changes that never reached the disk
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = lock(path)
            self._snapshots = SnapshotFolder(path.parent, pictures_mb)
            self.next_event_id = max(begin(path), self._snapshots.last_event_id) + 1
        except BlockingIOError:
            raise InputError(f"another process writes {path}; stop it, or set LENS_EVENT_LOG elsewhere") from None
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"the event log {path} cannot be opened ({error}); set LENS_EVENT_LOG elsewhere") from None
        self._thread = threading.Thread(target=self._work, name="lens event log", daemon=True)
        self._thread.start()

    def write(self, event: Event, snapshot: Snapshot | None = None) -> None:
        """Hand over a new or changed event, and the pictures of its onset or worst moment. Returns at once."""
        if self._queue.qsize() >= QUEUE_WITH_PICTURES:
            snapshot = None
        try:
            self._queue.put_nowait((event, snapshot))
        except queue.Full:
            self._lose("the queue is full")

    def close(self) -> None:
        """Write what waits and stop, within five seconds. May be called again."""
        if self._give_up_at_s < math.inf:
            return
        self._give_up_at_s = time.monotonic() + CLOSE_WITHIN_S
        try:
            self._queue.put(None, timeout=CLOSE_WITHIN_S)
            self._thread.join(CLOSE_WITHIN_S)
        except queue.Full:
            logger.error("the event log is stuck: %d changes are lost", self._queue.qsize())
        self._lock.close()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            event, snapshot = item
            try:
                self._write_row(event)
            except Exception as error:  # noqa: BLE001 a row that cannot be written must not block those behind it
                self._lose(f"{type(error).__name__}: {error}")
                continue
            if snapshot is not None:
                try:
                    self._snapshots.save(snapshot)
                    self._keep_the_budget()
                except Exception as error:  # noqa: BLE001 the row counts; a full disk has no room for its pictures
                    logger.warning("no pictures of lens event %d: %s", event.id, error)

    def _keep_the_budget(self) -> None:
        """Purge the oldest pictures when all together are too large. The rows say so first, then the files go."""
        last = self._snapshots.last_to_purge()
        if not last:
            return
        with closing(open_database(self._path)) as database, database:
            database.execute(
                "UPDATE events SET picture = '', heat_map = '', worst_picture = '', worst_heat_map = '' WHERE id <= ?",
                (last,),
            )
        self._snapshots.purge(last)
        if not self._told_of_purging:
            self._told_of_purging = True
            logger.warning(
                "the pictures of lens events exceed LENS_PICTURES_MB: the oldest go, so far to event %d", last
            )

    def _write_row(self, event: Event) -> None:
        """Write one row, trying again while the disk or another process stands in the way."""
        columns, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
        told = False
        while True:
            try:
                with closing(open_database(self._path)) as database, database:
                    database.execute(f"INSERT OR REPLACE INTO events ({columns}) VALUES ({marks})", astuple(event))
                return
            except (OSError, sqlite3.OperationalError) as error:
                if time.monotonic() + RETRY_AFTER_S > self._give_up_at_s:
                    raise
                if not told:
                    logger.warning("the event log %s cannot be written (%s); trying on", self._path, error)
                told = True
                time.sleep(RETRY_AFTER_S)

    def _lose(self, reason: str) -> None:
        self.lost += 1
        logger.error("the event log lost a change, %d so far: %s", self.lost, reason)
