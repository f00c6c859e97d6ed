"""A recorded drive is decoded a few frames ahead, and comes out as if each had been read when it was asked for."""

import tracemalloc
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mle_uvad.edge import Bundle, Monitor
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.tubs.replay import FRAMES_AHEAD, drive_again, write_scores
from mle_uvad.edge.tubs.tub import Record, Tub

MakeTub = Callable[..., Path]


def test_frames_come_in_order_and_so_do_those_that_cannot_be_read(make_tub: MakeTub) -> None:
    folder = make_tub(20)
    for index in (0, 7, 8, 19):
        (folder / "images" / f"{index}_cam_image_array_.jpg").write_bytes(b"")
    tub, expected, restarts = Tub(folder), Tub(folder), []
    for record, frame in drive_again(tub, lambda: restarts.append(True)):
        assert np.array_equal(frame, expected.frame(record))  # type: ignore[arg-type]
    assert expected.skipped == tub.skipped
    assert len(tub.skipped) == 4
    assert len(restarts) == 1


def test_it_reads_no_more_than_a_few_ahead_and_stops_where_the_caller_does(
    make_tub: MakeTub, monkeypatch: pytest.MonkeyPatch
) -> None:
    tub, read = Tub(make_tub(20)), []
    frame_of = tub.frame

    def frame(record: Record) -> object:
        read.append(record.index)
        return frame_of(record)

    monkeypatch.setattr(tub, "frame", frame)
    drive = drive_again(tub, lambda: None)
    for index in range(3):
        assert next(drive)[0].index == index
    assert isinstance(drive, Generator)
    drive.close()
    assert read == list(range(3 + FRAMES_AHEAD))


def test_what_reading_raises_comes_when_its_frame_is_asked_for(
    make_tub: MakeTub, monkeypatch: pytest.MonkeyPatch
) -> None:
    tub = Tub(make_tub(4))

    def frame(record: Record) -> None:
        if record.index == 2:
            raise MemoryError

    monkeypatch.setattr(tub, "frame", frame)
    drive = drive_again(tub, lambda: None)
    assert [next(drive)[0].index for _ in range(2)] == [0, 1]
    with pytest.raises(MemoryError):
        next(drive)


def test_the_memory_of_scoring_does_not_grow_with_the_drive(
    bundle: Bundle, make_tub: Callable[..., Path], tmp_path: Path
) -> None:
    tub = Tub(make_tub(30))
    one_pass = tub.records
    peaks = []
    for passes in (5, 5, 30):  # the first warms up
        tub.records = [
            replace(record, timestamp_ms=record.timestamp_ms + 1500 * number)
            for number in range(passes)
            for record in one_pass
        ]
        monitor = Monitor(open_scorer(bundle), None)
        tracemalloc.start()
        tally = write_scores(tub, monitor, tmp_path / "scores.csv", lambda done, total: None)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert tally.records == 30 * passes
        assert sum(tally.status.values()) == tally.records
    assert peaks[2] - peaks[1] < 750 * 500, "more than a few bytes a frame"
