"""Times of records that cannot be those of a drive: they are told, and even ones can be asked for."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.times import open_drive

MakeTub = Callable[..., Path]
START_MS = 1_700_000_000_000


def set_times(folder: Path, times_ms: list[int], sessions: list[str] | None = None) -> Path:
    catalog = folder / "catalog_0.catalog"
    records = [json.loads(line) for line in catalog.read_text().splitlines()]
    for number, record in enumerate(records):
        record["_timestamp_ms"] = times_ms[number]
        record["_session_id"] = sessions[number] if sessions else "one"
    catalog.write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        open_drive(folder)
    assert "give --hz 20" in str(caught.value)
    return str(caught.value)


def every(step_ms: float, count: int = 40) -> list[int]:
    return [START_MS + round(step_ms * number) for number in range(count)]


def test_impossible_times_are_told(make_tub: MakeTub) -> None:
    folder = make_tub(40)
    assert f"the records of {folder} lie 2 ms apart, so their times are not those" in refused(
        set_times(folder, every(2))
    )
    assert "lie 0 ms apart" in refused(set_times(folder, [START_MS] * 40))  # seconds in place of milliseconds
    assert "lie 50 s apart" in refused(set_times(folder, every(50_000)))  # microseconds
    assert "the records of" in (line := refused(set_times(folder, every(50)[::-1])))
    assert "are earlier than the one before" in line
    half = every(50, 20) + [START_MS + 10_000 + 2 * number for number in range(20)]  # half of it was converted
    assert "19 of 40 records of" in refused(set_times(folder, half))


def test_times_of_real_drives_are_accepted(make_tub: MakeTub) -> None:
    folder = make_tub(40)
    jittered = np.cumsum(np.random.default_rng(0).uniform(8, 900, 40))
    for times_ms in (every(50), every(10), [START_MS + round(t) for t in jittered.tolist()]):
        assert [r.timestamp_ms for r in open_drive(set_times(folder, times_ms)).records] == times_ms
    paused = [t + 600_000 * (number // 10) for number, t in enumerate(every(50))]
    paused[5] = paused[4] + 1  # a loop that caught up once
    open_drive(set_times(folder, paused))
    sessions = [f"session {number // 2}" for number in range(40)]  # of which each begins earlier than the one before
    open_drive(set_times(folder, [START_MS - 10_000 * (n // 2) + 50 * (n % 2) for n in range(40)], sessions))


def test_even_times_follow_the_indexes(make_tub: MakeTub) -> None:
    folder = set_times(make_tub(40, deleted=range(10, 20)), every(2))
    times_ms = [record.timestamp_ms - START_MS for record in open_drive(folder, hz=20).records]
    assert times_ms[:10] == list(range(0, 500, 50))
    assert times_ms[10:12] == [1000, 1050], "time passed while the deleted records were taken"


@pytest.mark.parametrize("hz", [0, -1, 0.1, 1000, float("nan"), float("inf")])
def test_a_rate_that_no_camera_has_is_refused(make_tub: MakeTub, hz: float) -> None:
    with pytest.raises(InputError, match=r"--hz is .*; give the frames per second"):
        open_drive(make_tub(3), hz=hz)
