"""Which records of a drive were recorded through an obscured lens: the runs to delete, and a state of each record."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..atomic_write import atomic_write
from ..status import STATUSES
from .replay import DriveMonitor, replay
from .tub import Record, Tub

NORMAL, OBSCURED, UNSURE = "normal", "obscured", "unsure"
NORMAL_BELOW = 0.5  # evidence of a record that counts as normal; an alarm needs 1
COLUMNS = ("index", "timestamp_ms", "state", "evidence")


@dataclass(frozen=True, slots=True)
class Judged:
    """A record and what the monitor said about it."""

    record: Record
    status: str  # of the alarm
    in_event: bool
    evidence: float | None  # None: the frame could not be judged


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive records to delete: an event with its margins, or several whose margins touch."""

    records: tuple[Record, ...]

    @property
    def seconds(self) -> float:
        return (self.records[-1].timestamp_ms - self.records[0].timestamp_ms) / 1000


def judge(drive: Tub, monitor: DriveMonitor, progress: Callable[[int, int], None]) -> list[Judged]:
    """Replay a drive as the car would have seen it; one result per record."""
    judged = []
    for done, (record, reading) in enumerate(replay(drive, monitor), start=1):
        evidence = reading.evidence.value if STATUSES[reading.evidence.status].has_evidence else None
        judged.append(Judged(record, reading.alarm.status, reading.alarm.obscured, evidence))
        progress(done, len(drive.records))
    return judged


def runs_to_delete(judged: Sequence[Judged], margin_s: float) -> list[Run]:
    """Return the records within `margin_s` seconds of an event of the same session, as runs in order."""
    near = _near_events(judged, margin_s)
    runs: list[list[Record]] = []
    for number, each in enumerate(judged):
        if not near[number]:
            continue
        joins = number and near[number - 1] and judged[number - 1].record.session_id == each.record.session_id
        if joins:
            runs[-1].append(each.record)
        else:
            runs.append([each.record])
    return [Run(tuple(records)) for records in runs]


def states(judged: Sequence[Judged], margin_s: float) -> Iterator[str]:
    """Yield `obscured`, `normal` or `unsure` for each record; the first two only where the evidence is clear.

    Obscured: in an event, with evidence for it in this very frame. Normal: far from every event, with less than half of
    the evidence that an alarm needs. All else is unsure, and so is all that no calibration vouches for.
    """
    near = _near_events(judged, margin_s)
    for each, is_near in zip(judged, near, strict=True):
        if each.status == "obscured" and each.evidence is not None and each.evidence >= 1:
            yield OBSCURED
        elif each.status == "ok" and not is_near and each.evidence is not None and each.evidence < NORMAL_BELOW:
            yield NORMAL
        else:
            yield UNSURE


def write_mask(path: Path, judged: Sequence[Judged], margin_s: float) -> None:
    """Write the state of each record, one row per record, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft, draft.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for each, state in zip(judged, states(judged, margin_s), strict=True):
            evidence = "" if each.evidence is None else f"{each.evidence:.6g}"
            writer.writerow((each.record.index, each.record.timestamp_ms, state, evidence))


def _near_events(judged: Sequence[Judged], margin_s: float) -> list[bool]:
    """Return whether each record lies in an event or within the margin of one, on either side."""
    near = [each.in_event for each in judged]
    for order in (range(len(judged)), range(len(judged) - 1, -1, -1)):
        event: Record | None = None  # the last one met in this order
        for number in order:
            record = judged[number].record
            if judged[number].in_event:
                event = record
            elif event is not None and event.session_id == record.session_id:
                near[number] |= abs(record.timestamp_ms - event.timestamp_ms) <= 1000 * margin_s
    return near
