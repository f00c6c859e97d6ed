"""Reads the events from a scores.csv that `write_scores` wrote."""

import csv
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path


@dataclass(frozen=True)
class ScoredEvent:
    """An event of a drive that was scored."""

    began_s: float  # since the first record of the drive
    duration_s: float
    first_index: int  # of its records
    last_index: int
    coverage: float  # 0…1 of the lens, the largest


def read_scored_events(path: Path) -> list[ScoredEvent]:
    """Return the events in the file, in order."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    events = []
    for event_id, group in groupby(rows, key=lambda row: row["event_id"]):
        if event_id == "0":
            continue
        within = list(group)
        first, last = within[0], within[-1]
        events.append(
            ScoredEvent(
                began_s=(int(first["timestamp_ms"]) - int(rows[0]["timestamp_ms"])) / 1000,
                duration_s=(int(last["timestamp_ms"]) - int(first["timestamp_ms"])) / 1000,
                first_index=int(first["index"]),
                last_index=int(last["index"]),
                coverage=max(float(row["coverage"] or 0) for row in within),
            )
        )
    return events
