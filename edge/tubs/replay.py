"""Runs the monitor over a recorded drive, as the car would have, and writes its readings."""

import csv
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..atomic_write import atomic_write
from ..monitor import Reading
from ..status import STATUSES
from .tub import Record, Tub

COLUMNS = ("index", "timestamp_ms", "status", "pcc", "evidence", "coverage", "obscured", "event_id")
FRAMES_AHEAD = 4


class DriveMonitor(Protocol):
    """What a drive is replayed through, such as a `Monitor`."""

    def update(self, frame: Any, t_s: float) -> Reading:
        """Judge the frame seen at `t_s` seconds."""

    def restart(self) -> None:
        """Forget what was gathered: another drive begins."""


def replay(tub: Tub, monitor: DriveMonitor) -> Iterator[tuple[Record, Reading]]:
    """Yield one reading a record, in order, on the clock of the recording. An unreadable image is no frame."""
    for record, frame in drive_again(tub, monitor.restart):
        yield record, monitor.update(frame, record.timestamp_ms / 1000)


def drive_again(tub: Tub, restart: Callable[[], None]) -> Iterator[tuple[Record, NDArray[np.uint8] | None]]:
    """Yield each record with its frame, None if it cannot be read; call `restart` where another drive begins."""
    session_id = None
    for record, frame in _read_ahead(tub):
        if record.session_id != session_id:  # nothing carries over
            session_id = record.session_id
            restart()
        yield record, frame


def _read_ahead(tub: Tub) -> Iterator[tuple[Record, NDArray[np.uint8] | None]]:
    """Yield each record with its frame, in order; a thread decodes a few while the caller works on one."""
    with ThreadPoolExecutor(1) as reader:
        waiting: deque[tuple[Record, Future[NDArray[np.uint8] | None]]] = deque()
        for record in tub.records:
            waiting.append((record, reader.submit(tub.frame, record)))
            if len(waiting) > FRAMES_AHEAD:
                record, frame = waiting.popleft()
                yield record, frame.result()
        for record, frame in waiting:
            yield record, frame.result()


@dataclass
class Tally:
    """What is counted of the readings of a drive, which take too much memory to be kept."""

    records: int = 0
    scored: int = 0
    pcc_sum: float = 0.0  # of those scored
    events: int = 0
    status: Counter[str] = field(default_factory=Counter)
    detail: str = ""  # of the first reading that has one

    def add(self, reading: Reading) -> None:
        """Count one reading."""
        self.records += 1
        if reading.score.pcc is not None:
            self.scored += 1
            self.pcc_sum += reading.score.pcc
        self.events = max(self.events, reading.alarm.event_id)
        self.status[reading.alarm.status] += 1
        self.detail = self.detail or reading.score.detail


def write_scores(tub: Tub, monitor: DriveMonitor, path: Path, progress: Callable[[int, int], None]) -> Tally:
    """Replay a tub into scores.csv, written completely or not at all, and return what was counted.

    One row a record, empty where undefined. The PCC has the nine digits that keep a float32 exactly.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tally = Tally()
    with atomic_write(path) as draft, draft.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for done, (record, reading) in enumerate(replay(tub, monitor), start=1):
            writer.writerow(_row(record, reading))
            tally.add(reading)
            progress(done, len(tub.records))
    return tally


def _row(record: Record, reading: Reading) -> tuple[object, ...]:
    pcc, evidence, alarm = reading.score.pcc, reading.evidence, reading.alarm
    judged = STATUSES[evidence.status].has_evidence
    return (
        record.index,
        record.timestamp_ms,
        alarm.status,
        "" if pcc is None else f"{pcc:.9g}",
        f"{evidence.value:.6g}" if judged else "",
        f"{evidence.coverage:.6g}" if judged else "",
        int(alarm.obscured),
        alarm.event_id,
    )
