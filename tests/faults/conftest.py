"""What the faults are injected into: the part on a calibrated vehicle, its worker, and a disk of its own."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wet_drive import HZ, Clock, clear_frames, clock, drive, make_part, wet_frames

from mle_uvad.parts import MLEAnomalyPart

__all__ = ["clear_frames", "clock", "drive", "make_part", "wet_frames"]


class Worker:
    """A threaded part whose drive loop is the test: `loop` is one round of it, and waits for nobody."""

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
        """A loop, and then what the worker makes of this very frame."""
        self.loop(frame)
        while self.part._published[1] != self.clock.now_s:
            assert self.thread.is_alive(), "the worker is dead"
        return self.part._published[0]


@pytest.fixture
def worker(make_part: Callable[..., MLEAnomalyPart], clock: Clock) -> Worker:
    return Worker(make_part(), clock)


class Disk:
    """A file system of 256 kB, mounted where the part of `make_part` keeps its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ballast = folder / "ballast"
        folder.mkdir()
        self.mounts = 0
        self._mount("-t", "tmpfs", "-o", "size=256k", "none")

    def fill(self) -> None:
        with self.ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 512):
                    pass
            except OSError:
                pass

    def forbid(self) -> None:
        """As a card does that the kernel no longer trusts: from now on nothing can be written here."""
        self._mount("--bind", str(self.folder))
        subprocess.run(["mount", "-o", "remount,bind,ro", self.folder], check=True)

    def allow(self) -> None:
        subprocess.run(["mount", "-o", "remount,bind,rw", self.folder], check=True)

    def unmount(self) -> None:
        for _ in range(self.mounts):
            subprocess.run(["umount", "-l", self.folder], check=True)

    def _mount(self, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments, self.folder], capture_output=True, text=True, check=False)
        if done.returncode:
            self.unmount()
            pytest.skip(f"needs root to mount a file system: {done.stderr.strip()}")
        self.mounts += 1


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Ask for it before `make_part`, which shuts its parts down first then."""
    disk = Disk(tmp_path / "logs")
    yield disk
    disk.unmount()
