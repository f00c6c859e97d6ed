"""Inject faults into a Donkeycar at 20 Hz: `python benchmarks/faulty_loop.py` (a minute; disk faults need root).

In each segment of eight seconds a drop is on the lens for three; the fault begins before it and lasts five seconds.
Goals: no loop is late because of the part, and every event is in the log at the end.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from donkeycar.vehicle import Vehicle
from PIL import Image, ImageFilter

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from hand_made import calibrate, moving_frames, write_bundle
from small_disk import Disk

from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.events.event import read_events

HZ = 20
LOOPS = 160  # per segment
WET, FAULTY = range(40, 100), range(20, 120)  # loops of a segment
BUSY_PROCESSES = 4
Fault = Callable[[], AbstractContextManager[Any]]


class Car:
    """Camera that also switches the faults on and off; the first part of the loop."""

    def __init__(self, faults: dict[str, Fault]) -> None:
        self.faults = list(faults.items())
        clear = moving_frames(LOOPS)
        self.frames = [blurred(frame) if loop in WET else frame for loop, frame in enumerate(clear)]
        self.loop = 0
        self.delivers = True
        self.fault: AbstractContextManager[Any] | None = None

    def run(self) -> Any:
        segment, loop = divmod(self.loop, LOOPS)
        if loop == FAULTY.start:
            self.fault = self.faults[segment][1]()
            self.fault.__enter__()
        elif loop == FAULTY.stop and self.fault is not None:
            self.fault.__exit__(None, None, None)
        self.loop += 1
        return self.frames[loop].copy() if self.delivers else None


class EventIdRecorder:
    """Records the id of the open event in each loop."""

    def __init__(self) -> None:
        self.event_ids: list[int] = []

    def run(self, event_id: int) -> None:
        self.event_ids.append(event_id)


class Timed:
    """Times Donkeycar's Vehicle: seconds of work in each loop, and of that in the part."""

    def __init__(self, part: MLEAnomalyPart) -> None:
        self.part, self.run_threaded, self.update_parts = part, part.run_threaded, Vehicle.update_parts
        self.ours: list[float] = []
        self.work: list[float] = []
        part.run_threaded = self._ours  # type: ignore[method-assign,assignment]
        Vehicle.update_parts = lambda vehicle: self._work(vehicle)

    def _ours(self, *inputs: Any) -> Any:
        began_s = time.perf_counter()
        outputs = self.run_threaded(*inputs)
        self.ours.append(time.perf_counter() - began_s)
        return outputs

    def _work(self, vehicle: Any) -> None:
        began_s = time.perf_counter()
        self.update_parts(vehicle)
        self.work.append(time.perf_counter() - began_s)


def blurred(frame: Any) -> Any:
    """Return the frame with a drop on its left half."""
    drop = np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(4)))
    return np.concatenate([drop[:, :80], frame[:, 80:]], axis=1)


def faults_for(part: MLEAnomalyPart, disk: Disk | None, car: Callable[[], Car]) -> dict[str, Fault]:
    """Return the faults by name; those of the disk only if there is a separate disk."""
    backend = part.monitor.scorer.backend

    @contextmanager
    def no_frame() -> Iterator[None]:
        car().delivers = False
        yield
        car().delivers = True

    @contextmanager
    def model(run: Callable[..., Any]) -> Iterator[None]:
        real, backend.run = backend.run, run  # type: ignore[method-assign]
        yield
        backend.run = real  # type: ignore[method-assign]

    @contextmanager
    def hanging() -> Iterator[None]:
        resume = threading.Event()
        with model(lambda *_: resume.wait()):
            yield
        resume.set()

    def broken(*_: Any) -> None:
        raise RuntimeError("the model is broken")

    @contextmanager
    def full(disk: Disk) -> Iterator[None]:
        disk.fill()
        yield
        disk.ballast.unlink()

    @contextmanager
    def read_only(disk: Disk) -> Iterator[None]:
        disk.forbid()
        yield
        disk.allow()

    @contextmanager
    def busy() -> Iterator[None]:
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY_PROCESSES)]
        yield
        for other in others:
            other.kill()
            other.wait()

    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    faults: dict[str, Fault] = {
        "nothing": nothing,
        "no frame": no_frame,
        "the model raises": lambda: model(broken),
        "inference hangs": hanging,
        f"{BUSY_PROCESSES} busy processes": busy,
    }
    return faults if disk is None else faults | {"disk full": lambda: full(disk), "read-only": lambda: read_only(disk)}


def drive(folder: Path, disk: Disk | None) -> None:
    """Drive through all faults and print timing and events of each."""
    bundle = write_bundle(folder)
    calibrate(bundle, moving_frames(720), 20.0).save(folder / "calibration.json")
    log = (folder if disk is None else disk.folder) / "lens.db"
    part = MLEAnomalyPart(bundle.folder, folder / "calibration.json", log)
    faults = faults_for(part, disk, lambda: car)
    car, timed, vehicle, recorder = Car(faults), Timed(part), Vehicle(), EventIdRecorder()
    vehicle.add(car, outputs=["cam/image_array"])
    vehicle.add(part, inputs=["cam/image_array"], outputs=part.outputs, threaded=True)
    vehicle.add(recorder, inputs=["lens/event_id"])
    vehicle.start(rate_hz=HZ, max_loop_count=len(faults) * LOOPS + 1)  # donkeycar counts one more
    print(
        f"{len(timed.work)} loops at {HZ} Hz  run_threaded: p50 ms      max | loop:     max ms |       late | event at"
    )
    total_late, seen = 0, {0}
    for number, name in enumerate(faults):
        part_of = slice(number * LOOPS, (number + 1) * LOOPS)
        ours, work = np.array(timed.ours[part_of]) * 1e3, np.array(timed.work[part_of]) * 1e3
        late = int(((work > 1e3 / HZ) & (work - ours <= 1e3 / HZ)).sum())
        total_late += late
        event_ids = recorder.event_ids[part_of]
        onsets = ", ".join(str(event_ids.index(event)) for event in sorted(set(event_ids) - seen)) or "none"
        seen |= set(event_ids)
        figures = f"{np.median(ours):18.3f} {ours.max():8.2f} | {work.max():16.1f} | {late:10} | {onsets:>8}"
        print(f"{name:28} {figures}")
    events = read_events(log)
    print(f"loops late because of the part: {total_late}; maximum run_threaded {max(timed.ours) * 1e3:.2f} ms")
    raised = set(recorder.event_ids) - {0}
    lost = len(raised - {event.id for event in events if event.state == "ended"})
    print(f"events raised {len(raised)}, in the log and ended {len(events)}, events lost {lost}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        try:
            disk = Disk(Path(name) / "disk")
        except PermissionError:
            disk = None
            print("not root: skipping the full and the read-only disk")
        try:
            drive(Path(name), disk)
        finally:
            if disk is not None:
                disk.unmount()


if __name__ == "__main__":
    main()
