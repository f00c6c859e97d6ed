"""Reads a scores.csv that `write_scores` wrote: row by row, because a long drive has many."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError
from ..read_file import open_file
from .replay import COLUMNS

SCORES_BYTES_MAX = 128 * 2**20  # some 60 bytes a record, so about two million records


@dataclass(frozen=True, slots=True)
class ScoredRecord:
    """One row: what the monitor said of a record; None where it said nothing."""

    index: int
    timestamp_ms: int
    status: str
    pcc: float | None  # −1…1
    evidence: float | None  # −2.5…2.5
    coverage: float | None  # 0…1
    obscured: bool
    event_id: int  # 0 when there is none


@dataclass(frozen=True)
class ScoredEvent:
    """An event of a drive that was scored."""

    began_s: float  # since the first record of the drive
    duration_s: float
    first_index: int  # of its records
    last_index: int
    coverage: float  # 0…1 of the lens, the largest


def scored_records(path: Path) -> Iterator[ScoredRecord]:
    """Yield the rows of the file in order. Raises InputError where it cannot be read or is something else."""
    try:
        with open_file(path, SCORES_BYTES_MAX, follow=True) as file:
            rows = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise ValueError(f"its first line is not {','.join(COLUMNS)}")
            for row in rows:
                yield _record(row)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give the file that `mle-uvad score` wrote"
        ) from None
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise InputError(f"{path} holds no scores ({error}); give the file that `mle-uvad score` wrote") from None


def read_scored_events(path: Path) -> list[ScoredEvent]:
    """Return the events in the file, in order. Raises InputError as `scored_records`."""
    events: list[ScoredEvent] = []
    first_ms = began_ms = event_id = 0
    for number, record in enumerate(scored_records(path)):
        first_ms = first_ms if number else record.timestamp_ms
        coverage = record.coverage or 0.0
        if record.event_id and record.event_id != event_id:
            began_ms = record.timestamp_ms
            events.append(ScoredEvent((began_ms - first_ms) / 1000, 0.0, record.index, record.index, coverage))
        elif record.event_id:
            events[-1] = replace(
                events[-1],
                duration_s=(record.timestamp_ms - began_ms) / 1000,
                last_index=record.index,
                coverage=max(events[-1].coverage, coverage),
            )
        event_id = record.event_id
    return events


def _record(row: dict[str, str]) -> ScoredRecord:
    return ScoredRecord(
        index=int(row["index"]),
        timestamp_ms=int(row["timestamp_ms"]),
        status=row["status"],
        pcc=float(row["pcc"]) if row["pcc"] else None,
        evidence=float(row["evidence"]) if row["evidence"] else None,
        coverage=float(row["coverage"]) if row["coverage"] else None,
        obscured=row["obscured"] == "1",
        event_id=int(row["event_id"]),
    )
