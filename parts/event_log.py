"""The event log: SQLite, written by its own thread, so that no disk ever holds up the car."""

import fcntl
import logging
import math
import queue
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..edge.errors import InputError
from .events import COLUMNS, CREATE, SCHEMA, Event

logger = logging.getLogger(__name__)

QUEUE_EVENTS = 256  # wait in memory while the disk cannot be written
RETRY_AFTER_S = 1.0
CLOSE_WITHIN_S = 5.0


@dataclass(frozen=True)
class Pictures:
    """What is kept of the onset: the camera frame uint8 [H, W(, 3)] and the evidence map [10, 10] in 0…1."""

    frame: NDArray[np.uint8]
    heat_map: NDArray[np.float32]


class EventLog:
    """Writes events durably, in order: the row of an event is on the disk soon after it opens and after it ends.

    Raises InputError when the log cannot be opened or another process writes it; after that `write` neither raises
    nor waits. Events that a power cut or a kill left open are closed as `interrupted`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.Queue[tuple[Event, Pictures | None] | None] = queue.Queue(QUEUE_EVENTS)
        self._give_up_at_s = math.inf  # on the monotonic clock; set by `close`
        self.lost = 0  # changes that never reached the disk
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(path)
            with closing(_open(path)) as database, database:
                database.execute("UPDATE events SET state = 'interrupted' WHERE state = 'open'")
                (last_id,) = database.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
        except BlockingIOError:
            raise InputError(f"another process writes {path}; stop it, or set LENS_EVENT_LOG elsewhere") from None
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"the event log {path} cannot be opened ({error}); set LENS_EVENT_LOG elsewhere") from None
        self.next_event_id = last_id + 1
        self._thread = threading.Thread(target=self._work, name="lens event log", daemon=True)
        self._thread.start()

    def write(self, event: Event, pictures: Pictures | None = None) -> None:
        """Hand over a new or changed event, and the pictures of a new one. Returns at once."""
        try:
            self._queue.put_nowait((event, pictures))
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
            event, pictures = item
            try:
                self._write_row(event)
            except Exception as error:  # noqa: BLE001 a row that cannot be written must not block those behind it
                self._lose(f"{type(error).__name__}: {error}")
                continue
            if pictures is not None:
                try:
                    save_pictures(self._path.parent, event, pictures)
                except Exception as error:  # noqa: BLE001 the row counts; a full disk has no room for its pictures
                    logger.warning("no pictures of lens event %d: %s", event.id, error)

    def _write_row(self, event: Event) -> None:
        """Write one row, trying again while the disk or another process stands in the way."""
        columns, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
        told = False
        while True:
            try:
                with closing(_open(self._path)) as database, database:
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


def save_pictures(folder: Path, event: Event, pictures: Pictures) -> None:
    """Write the clean frame as JPEG and the evidence map as a picture of its size. Raises OSError."""
    frame = Image.fromarray(pictures.frame.squeeze())
    for name in (event.picture, event.heat_map):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    frame.save(folder / event.picture, quality=95)
    heat = Image.fromarray((pictures.heat_map * 255).astype(np.uint8))
    heat.resize(frame.size, Image.Resampling.BILINEAR).save(folder / event.heat_map)


def _lock(path: Path) -> BinaryIO:
    """A lock that ends with this process, however it ends. Raises BlockingIOError when another holds it."""
    file = path.with_name(f"{path.name}.lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file


def _open(path: Path) -> sqlite3.Connection:
    # FULL: a commit is on the disk when it returns, also in the journal mode that lets readers in.
    database = sqlite3.connect(path, timeout=5)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        (schema,) = database.execute("PRAGMA user_version").fetchone()
        if schema == 0:
            with database:
                database.execute(CREATE)
                database.execute(f"PRAGMA user_version = {SCHEMA}")
        elif schema != SCHEMA:
            raise sqlite3.DatabaseError(f"schema {schema}, this version writes {SCHEMA}")
    except BaseException:
        database.close()
        raise
    return database
