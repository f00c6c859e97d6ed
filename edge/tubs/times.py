"""Times of records: whether they can be those of the drive, and the even ones that stand in for them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from ..driving import GAP_S
from ..errors import InputError
from .tub import Record, Tub

STEP_MS_MIN = 5  # no car's camera is read 200 times a second
WRONG_SHARE_MAX = 0.1  # of the steps; below 0.001 on recorded drives
GAP_SHARE_MAX = 0.5
HZ_MIN, HZ_MAX = 1 / GAP_S, 1000 / STEP_MS_MIN
REMEDY = "so their times are not those of the drive; give --hz 20 to take the records as evenly spaced, 20 a second"


def open_drive(folder: Path, camera: str | None = None, hz: float | None = None) -> Tub:
    """Read a tub whose frames are to be scored in time; `hz` takes its records as evenly spaced.

    A converter or a merging tool stamps each record with the time of its own work. Averages over seconds would then
    run over hundreds of frames. Raises InputError for such times, and for what `Tub` refuses.
    """
    if hz is not None and not HZ_MIN <= hz <= HZ_MAX:
        raise InputError(f"--hz is {hz:g}; give the frames per second of the drive, {HZ_MIN:g} to {HZ_MAX:g}")
    tub = Tub(folder, camera)
    if hz is not None:
        tub.records = _evenly_spaced(tub.records, hz)
    elif problem := _why_impossible(tub.records):
        raise InputError(f"{problem.format(folder=folder)}, {REMEDY}")
    return tub


def _evenly_spaced(records: Sequence[Record], hz: float) -> list[Record]:
    """Return the records at `hz` a second from the first one on; where indexes are missing, time passes too."""
    first = records[0]
    return [
        replace(record, timestamp_ms=first.timestamp_ms + round((record.index - first.index) * 1000 / hz))
        for record in records
    ]


def _why_impossible(records: Sequence[Record]) -> str:
    steps_ms = [
        later.timestamp_ms - earlier.timestamp_ms
        for earlier, later in pairwise(records)
        if later.session_id == earlier.session_id
    ]
    backwards = sum(step_ms < 0 for step_ms in steps_ms)
    close = sorted(step_ms for step_ms in steps_ms if 0 <= step_ms < STEP_MS_MIN)
    far = sorted(step_ms for step_ms in steps_ms if step_ms > GAP_S * 1000)
    if len(close) > WRONG_SHARE_MAX * len(steps_ms):
        return f"{_how_many(len(close), steps_ms)} of {{folder}} lie {close[len(close) // 2]} ms apart"
    if backwards > WRONG_SHARE_MAX * len(steps_ms):
        return f"{_how_many(backwards, steps_ms)} of {{folder}} are earlier than the one before"
    if len(far) > GAP_SHARE_MAX * len(steps_ms):
        return f"{_how_many(len(far), steps_ms)} of {{folder}} lie {far[len(far) // 2] / 1000:g} s apart"
    return ""


def _how_many(count: int, steps_ms: Sequence[int]) -> str:
    return "the records" if count > (1 - WRONG_SHARE_MAX) * len(steps_ms) else f"{count} of {len(steps_ms) + 1} records"
