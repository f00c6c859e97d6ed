"""Runs the monitor over a recorded drive, as the car would have, and writes what it says."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .monitor import Monitor, Reading
from .tub import Record, Tub
from .whole_file import replacing

COLUMNS = ("index", "timestamp_ms", "status", "pcc", "evidence", "coverage", "obscured", "event_id")


def replay(tub: Tub, monitor: Monitor) -> Iterator[tuple[Record, Reading]]:
    """One reading a record, in order, on the clock of the recording. An unreadable image is no frame."""
    for record, frame in drive_again(tub, monitor.restart):
        yield record, monitor.watch(frame, record.timestamp_ms / 1000)


def drive_again(tub: Tub, restart: Callable[[], None]) -> Iterator[tuple[Record, NDArray[np.uint8] | None]]:
    """Each record with its frame, None where that cannot be read; `restart` is called where another drive begins."""
    session_id = None
    for record in tub.records:
        if record.session_id != session_id:  # nothing carries over
            session_id = record.session_id
            restart()
        yield record, tub.frame(record)


def write_scores(tub: Tub, monitor: Monitor, path: Path, progress: Callable[[int, int], None]) -> list[Reading]:
    """Replay a tub into scores.csv, whole or not at all, and return the readings.

    One row a record; empty where undefined; PCC with the nine digits that keep a float32 exactly.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    readings = []
    with replacing(path) as draft, draft.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for done, (record, reading) in enumerate(replay(tub, monitor), start=1):
            writer.writerow(_row(record, reading))
            readings.append(reading)
            progress(done, len(tub.records))
    return readings


def _row(record: Record, reading: Reading) -> tuple[object, ...]:
    pcc, evidence, alarm = reading.score.pcc, reading.evidence, reading.alarm
    judged = evidence.status in ("ok", "warmup")
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
