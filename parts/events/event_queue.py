"""The events that wait for the disk, in memory: of each its newest row and its newest snapshots."""

import threading

from .event import Event
from .snapshots import Snapshot, SnapshotPaths

EVENTS_MAX = 256  # held while the disk cannot be written
SNAPSHOTS_MAX = 16  # beyond this only rows are held, because snapshots are large


class EventQueue:
    """Holds each event once. A row is whole, so a newer one replaces what waits: changes take no room, events do.

    One thread takes the events, in the order in which they came. An event stays until `done`, so `len` counts all that
    are not on the disk. Only `first` waits.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rows: dict[int, Event] = {}
        self._snapshots: dict[SnapshotPaths, tuple[int, Snapshot]] = {}  # with the event of each
        self._closed = False

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, event: Event, snapshot: Snapshot | None) -> bool:
        """Take a new or changed event; return whether there was room. A snapshot without room is left out."""
        with self._changed:
            if self._closed or (event.id not in self._rows and len(self._rows) >= EVENTS_MAX):
                return False
            self._rows[event.id] = event  # in the place of the row before
            if snapshot is not None and (snapshot.paths in self._snapshots or len(self._snapshots) < SNAPSHOTS_MAX):
                self._snapshots[snapshot.paths] = (event.id, snapshot)
            self._changed.notify()
        return True

    def first(self, timeout_s: float) -> Event | None:
        """Return the event that has waited longest; None if none comes within `timeout_s`, or before `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._rows or self._closed, timeout_s)
            return next(iter(self._rows.values()), None)

    def done(self, event: Event) -> list[Snapshot]:
        """Remove an event, unless it has changed since it was taken, and return the snapshots that came with it."""
        with self._changed:
            if self._rows[event.id] is event:
                del self._rows[event.id]
            paths = [paths for paths, (number, _) in self._snapshots.items() if number == event.id]
            return [self._snapshots.pop(path)[1] for path in paths]

    def close(self) -> None:
        """Take no more events."""
        with self._changed:
            self._closed = True
            self._changed.notify()
