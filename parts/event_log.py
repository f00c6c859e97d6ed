"""The event log: SQLite, written by its own thread, so that no disk ever holds up the car."""

import logging
import queue
import sqlite3
import threading
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

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
    """Writes events durably: a row is on the disk when its event opens and again when it ends.

    Raises InputError when the log cannot be opened; after that `write` neither raises nor waits. Events that a
    power cut or a kill left open are closed as `interrupted`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.Queue[tuple[Event, Pictures | None] | None] = queue.Queue(QUEUE_EVENTS)
        self._closing = threading.Event()
        self.lost = 0  # events that found the queue full
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(_open(path)) as database, database:
                database.execute("UPDATE events SET state = 'interrupted' WHERE state = 'open'")
                (last_id,) = database.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
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
            self.lost += 1
            logger.error("the event log is stuck: %d changes are lost", self.lost)

    def close(self) -> None:
        """Write what waits and stop, within five seconds. May be called again."""
        if self._closing.is_set():
            return
        self._closing.set()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            logger.error("the event log is stuck: %d changes are lost", self._queue.qsize())
        self._thread.join(CLOSE_WITHIN_S)

    def _work(self) -> None:
        failed = False
        while (item := self._queue.get()) is not None:
            while True:
                try:
                    self._write(*item)
                    failed = False
                    break
                except (OSError, sqlite3.Error) as error:
                    if not failed:
                        logger.warning("the event log %s cannot be written (%s); trying on", self._path, error)
                    failed = True
                    if self._closing.wait(RETRY_AFTER_S):
                        return

    def _write(self, event: Event, pictures: Pictures | None) -> None:
        marks = ", ".join("?" * len(COLUMNS))
        with closing(_open(self._path)) as database, database:
            database.execute(f"INSERT OR REPLACE INTO events ({', '.join(COLUMNS)}) VALUES ({marks})", astuple(event))
        # The row comes first: a disk that is too full for pictures still has room for the event itself.
        if pictures is not None:
            save_pictures(self._path.parent, event, pictures)


def save_pictures(folder: Path, event: Event, pictures: Pictures) -> None:
    """Write the clean frame as JPEG and the evidence map as a picture of its size. Raises OSError."""
    frame = Image.fromarray(pictures.frame.squeeze())
    for name in (event.picture, event.heat_map):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    frame.save(folder / event.picture, quality=95)
    heat = Image.fromarray((pictures.heat_map * 255).astype(np.uint8))
    heat.resize(frame.size, Image.Resampling.BILINEAR).save(folder / event.heat_map)


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
