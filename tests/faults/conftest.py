"""Fixtures that the faults are injected into: a calibrated part, its worker, and a disk of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_disk import Disk
from wet_drive import HZ, Clock, clear_frames, clock, drive, make_part, wet_frames

from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.events import log as event_log

__all__ = ["clear_frames", "clock", "drive", "make_part", "wet_frames"]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than a car for the log to close: a busy machine is not the fault under test."""
    monkeypatch.setattr(event_log, "CLOSE_WITHIN_S", 60.0)


class Worker:
    """A threaded part whose drive loop is the test: `loop` is one round of it and never waits."""

    def __init__(self, part: MLEAnomalyPart, clock: Clock) -> None:
        self.part, self.clock = part, clock
        self.longest_s = 0.0
        part.run_threaded(None)  # as Vehicle: the loop may come first
        self.thread = threading.Thread(target=part.update, daemon=True)
        self.thread.start()

    def loop(self, frame: Any) -> tuple[Any, ...]:
        self.clock.now_s += 1 / HZ
        began_s = time.perf_counter()
        said = self.part.run_threaded(frame)
        self.longest_s = max(self.longest_s, time.perf_counter() - began_s)
        return said

    def scored(self, frame: Any) -> tuple[Any, ...]:
        """Run a loop, wait until the worker has scored its frame, and return the values for it."""
        self.loop(frame)
        while self.part._published[1] != self.clock.now_s:
            assert self.thread.is_alive(), "the worker is dead"
        return self.part._published[0]


@pytest.fixture
def worker(make_part: Callable[..., MLEAnomalyPart], clock: Clock) -> Worker:
    return Worker(make_part(), clock)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Yield a small file system. A test names it before `make_part`, so that the parts are shut down first."""
    try:
        disk = Disk(tmp_path / "logs")
    except PermissionError as error:
        pytest.skip(f"needs root to mount a file system: {error}")
    yield disk
    disk.unmount()
