"""The recorded drives of a tub: what the part said of each frame, and the throttle."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..edge.errors import InputError
from ..edge.status import STATUSES
from ..edge.tubs.scores import ScoredRecord, scored_records
from ..edge.tubs.tub import Record
from ..parts.limiter import USERS_THROTTLE

FIELDS = (
    "lens/pcc",
    "lens/obscured",
    "lens/coverage",
    "lens/event_id",
    "lens/status",
    "user/mode",
    "user/throttle",
    "pilot/throttle",
)
PAUSE_S = 60.0  # without a record: another drive begins
NO_STATUS = ""  # of a record without the part's fields


@dataclass(frozen=True, slots=True)
class Moment:
    """One record of a drive. What was not recorded is None, the status empty."""

    t_s: float  # Unix time
    status: str  # a word of `STATUSES`, or empty
    pcc: float | None  # −1…1
    evidence: float | None  # −2.5…2.5; only in a file of scores
    coverage: float | None  # 0…1
    obscured: bool
    event_id: int  # 0 when there is none
    throttle: float | None  # −1…1, of the user or the pilot, whoever drove
    image: Path


Drive = Sequence[Moment]  # never empty, in the order of time
Scores = Mapping[tuple[int, int], Mapping[str, Any]]  # fields of a record, by its index and time in milliseconds


def split_drives(records: Sequence[Record], scores: Scores) -> list[Drive]:
    """Divide a tub where its session changes, its clock steps back, or nothing was recorded for a minute.

    The fields of `scores`, if any, replace the recorded ones; see `read_scores`. Raises InputError for scores of which
    none belongs to these records.
    """
    if scores and not any((record.index, record.timestamp_ms) in scores for record in records):
        raise InputError("the scores are of another drive; give the tub that was scored")
    drives: list[list[Moment]] = []
    before: Record | None = None
    for record in records:
        step_ms = record.timestamp_ms - before.timestamp_ms if before else 0
        if before is None or record.session_id != before.session_id or not 0 <= step_ms <= PAUSE_S * 1000:
            drives.append([])
        drives[-1].append(_moment(record, {**record.kept, **scores.get((record.index, record.timestamp_ms), {})}))
        before = record
    return [tuple(drive) for drive in drives]


def read_scores(path: Path) -> Scores:
    """Read what `mle-uvad score` wrote, under the names of the tub's fields. Raises InputError."""
    return {(row.index, row.timestamp_ms): _as_fields(row) for row in scored_records(path)}


def status_shares(drives: Sequence[Drive]) -> list[tuple[str, float]]:
    """Return each recorded status with its share of the records, 0…1, the most frequent first."""
    counts = Counter(moment.status for drive in drives for moment in drive if moment.status)
    return [(status, count / counts.total()) for status, count in counts.most_common()]


def _as_fields(row: ScoredRecord) -> dict[str, Any]:
    return {
        "lens/status": row.status,
        "lens/pcc": row.pcc,
        "evidence": row.evidence,
        "lens/coverage": row.coverage,
        "lens/obscured": row.obscured,
        "lens/event_id": row.event_id,
    }


def _moment(record: Record, fields: Mapping[str, Any]) -> Moment:
    status, event_id = fields.get("lens/status"), fields.get("lens/event_id")
    by_user = fields.get("user/mode", "user") in USERS_THROTTLE
    return Moment(
        t_s=record.timestamp_ms / 1000,
        status=status if isinstance(status, str) and status in STATUSES else NO_STATUS,
        pcc=_number(fields.get("lens/pcc"), -1, 1),
        evidence=_number(fields.get("evidence"), -math.inf, math.inf),
        coverage=_number(fields.get("lens/coverage"), 0, 1),
        obscured=fields.get("lens/obscured") is True,
        event_id=event_id if type(event_id) is int and event_id > 0 else 0,
        throttle=_number(fields.get("user/throttle" if by_user else "pilot/throttle"), -1, 1),
        image=record.image,
    )


def _number(value: Any, low: float, high: float) -> float | None:
    """Return a number within its range, None for anything else: a tub may come from anyone."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return None
    return float(value)
