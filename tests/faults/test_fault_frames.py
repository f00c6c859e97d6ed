"""Bad frames, and a worker that raises or hangs: the drive loop goes on, and no false event is raised."""

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.parts.anomaly import STALE_AFTER_S
from mle_uvad.parts.events.event import read_events

LOG = Path("logs", "lens.db")
SHAPE = (120, 160, 3)


def test_missing_frames_at_the_start_in_between_and_for_five_seconds_raise_no_event(
    make_part: Any, clear_frames: Any, drive: Any, tmp_path: Path, record_property: Any
) -> None:
    part = make_part()
    nothing, seconds = [None, np.asarray(None)], 5
    gap = seconds * 10 * nothing
    missed, came_back = 0, 0
    for frames in (gap, clear_frames, nothing, clear_frames, gap, clear_frames):
        said = drive(part, frames)
        if frames is clear_frames:
            came_back = max(came_back, 1 + [values[0] is not None for values in said].index(True))
        else:
            assert {values[:5] for values in said} == {(None, False, 0.0, 0, "no_frame")}
            missed += len(frames)
    part.shutdown()
    assert came_back == 1, "the first frame that comes is scored"
    events = read_events(tmp_path / LOG)
    assert events == []
    record_property("frames that never came", missed)
    record_property("false events", len(events))
    record_property("longest way to a score, frames", came_back)


@pytest.mark.parametrize("seconds", [1, 3, 30])
def test_a_camera_that_freezes_and_recovers_raises_no_event(
    seconds: int, make_part: Any, clear_frames: Any, drive: Any, record_property: Any
) -> None:
    part = make_part()
    drive(part, 2 * clear_frames)
    said = drive(part, 20 * seconds * clear_frames[-1:])
    assert [values[4] for values in said].index("frozen") <= 10
    assert said[-1][4] == "frozen"
    said += drive(part, 2 * clear_frames)
    events = {values[3] for values in said} - {0}
    assert not events
    assert said[-1][4] == "ok"
    record_property("frozen frames", 20 * seconds)
    record_property("false events", len(events))


@pytest.mark.parametrize(("level", "status"), [(0, "dark"), (255, "flat")], ids=["lens cap", "white"])
def test_a_covered_camera_raises_no_event_and_ends_none(
    level: int, status: str, make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, record_property: Any
) -> None:
    part, covered = make_part(), 40 * [np.full(SHAPE, level, np.uint8)]
    said = drive(part, covered)
    assert {values[:5] for values in said} == {(None, False, 0.0, 0, status)}
    assert drive(part, 2 * clear_frames + wet_frames)[-1][3] == 1
    said += drive(part, covered)
    for values in said[len(covered) :]:
        assert (values[0], values[1], values[3], values[4]) == (None, True, 1, status)
    record_property("frames of it", len(said))
    record_property("false events", len({values[3] for values in said} - {0, 1}))


BAD_FRAMES = {
    "NaN": np.full(SHAPE, np.nan, np.float32),
    "infinite": np.full(SHAPE, np.inf, np.float64),
    "0 to 1": np.full(SHAPE, 0.5, np.float32),
    "16 bit": np.full(SHAPE, 500, np.uint16),
    "boolean": np.ones(SHAPE, bool),
    "a list": [[0]],
    "another size": np.zeros((240, 320, 3), np.uint8),
    "four channels": np.zeros((*SHAPE[:2], 4), np.uint8),
}


def test_frames_of_another_type_or_size_are_refused_and_logged_twice_a_minute(
    make_part: Any, clear_frames: Any, drive: Any, caplog: Any, record_property: Any
) -> None:
    part = make_part()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        said = drive(part, 100 * list(BAD_FRAMES.values()))  # 40 s
    assert {values[4] for values in said} == {"error", "no_frame"}
    assert all(values[0] is None and not values[1] for values in said)
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) <= 2 * len(set(texts)), "more than a line in 30 s"
    assert drive(part, clear_frames[:1])[0][0] is not None
    record_property("frames refused", len(said))
    record_property("lines in the log", len(texts))


def test_a_worker_that_raises_loses_the_frame_and_not_the_thread(
    worker: Any, clear_frames: Any, monkeypatch: Any, record_property: Any
) -> None:
    monitor = worker.part.monitor
    raised = 0
    # The model, and the code after it; a MemoryError may come from anywhere.
    for owner, name in ((monitor.scorer.backend, "run"), (monitor.evidence, "update"), (monitor.alarm, "update")):
        for error in (RuntimeError("broken"), MemoryError(), RecursionError(), ZeroDivisionError()):
            assert worker.scored(clear_frames[0])[0] is not None
            with monkeypatch.context() as broken:

                def fail(*_: object, error: Exception = error) -> None:
                    raise error

                broken.setattr(owner, name, fail)
                assert worker.scored(clear_frames[1])[4] == "error"
                raised += 1
            assert worker.scored(clear_frames[2])[0] is not None, "the very next frame is scored"
    assert worker.thread.is_alive()
    record_property("errors raised", raised)
    record_property("frames lost", raised)
    record_property("threads lost", int(not worker.thread.is_alive()))


def test_inference_that_hangs_is_stale_after_a_second_and_blocks_nothing(
    worker: Any, clear_frames: Any, clock: Any, monkeypatch: Any, record_property: Any
) -> None:
    backend = worker.part.monitor.scorer.backend
    hangs, go_on, real = threading.Event(), threading.Event(), backend.run

    def hang(*inputs: Any) -> Any:
        hangs.set()
        go_on.wait(60)
        return real(*inputs)

    assert worker.scored(clear_frames[0])[0] is not None
    began_s, loops, stale_after_s = clock.now_s, 0, 0.0
    with monkeypatch.context() as hung:
        hung.setattr(backend, "run", hang)
        for loops in range(1, 601):
            said = worker.loop(clear_frames[loops % 60])
            if said[4] == "stale" and not stale_after_s:
                stale_after_s = clock.now_s - began_s
            assert (said[4] == "stale") == (clock.now_s - began_s > STALE_AFTER_S)
        assert said[:5] == (None, False, 0.0, 0, "stale")
        assert hangs.wait(10)
    go_on.set()
    assert worker.scored(clear_frames[1])[0] is not None, "it goes on with the newest frame"
    record_property("loops while it hung", loops)
    record_property("longest until stale, s", round(stale_after_s, 2))
    record_property("longest run_threaded, ms", round(worker.longest_s * 1e3, 2))


def test_a_car_that_stops_while_inference_hangs_closes_its_event(
    worker: Any, clear_frames: Any, wet_frames: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    for frame in 2 * clear_frames + wet_frames:
        said = worker.scored(frame)
    assert said[1]
    hangs, go_on = threading.Event(), threading.Event()

    def hang(*_: Any) -> None:
        hangs.set()
        go_on.wait(60)
        raise RuntimeError("too late")

    monkeypatch.setattr(worker.part.monitor.scorer.backend, "run", hang)
    worker.loop(clear_frames[0])
    assert hangs.wait(10)
    worker.part.shutdown()
    (event,) = read_events(tmp_path / LOG)
    assert event.state == "ended"
    go_on.set()
    worker.thread.join(10)
    assert not worker.thread.is_alive()
