"""Measures how fast a bundle is: frame in, evidence out, back to back and at the rate of the drive loop."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..backends.synthetic_frames import INTERVAL_S, synthetic_frames
from ..bundle import Bundle
from ..errors import InputError
from ..evidence import Thresholds
from ..graph import GRID_SIDE
from ..monitor import Monitor

HZ = 1 / INTERVAL_S  # of the drive loop
WARM_UP_FRAMES = 60  # three seconds: the running means are warmed up, and evidence is gathered as on the road
CLOCK, CPU_CLOCK, SLEEP = time.perf_counter, time.process_time, time.sleep
# In a process of its own: what a car has to load before it drives, and no more.
START = """
import json, sys, time
began = time.perf_counter()
from mle_uvad.edge import Bundle, Monitor
from mle_uvad.edge.backends import open_scorer
imported = time.perf_counter()
bundle = Bundle.load(sys.argv[1])
monitor = Monitor(open_scorer(bundle), None)
loaded = time.perf_counter()
from mle_uvad.edge.backends.synthetic_frames import INTERVAL_S, synthetic_frames
from mle_uvad.edge.device.machine import resident_mb
for number, frame in enumerate(synthetic_frames(bundle.height, bundle.width)):
    monitor.update(frame, number * INTERVAL_S)
print(json.dumps([imported - began, loaded - imported, resident_mb()]))
"""
# Copies more than the caches hold: competes for a core and for the memory. Ends when the bench is no more.
BUSY = """
import os, sys
source, target = bytearray(1 << 25), bytearray(1 << 25)
print(flush=True)
while os.getppid() == int(sys.argv[1]):
    target[:] = source
"""


@dataclass(frozen=True)
class Latency:
    """Percentiles of the time per frame, in ms."""

    frames: int
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, times_ms: Iterable[float]) -> "Latency":
        """Summarise the times of at least one frame."""
        times = np.array(list(times_ms))
        return cls(len(times), *np.percentile(times, [50, 99, 100]).tolist())


@dataclass(frozen=True)
class Measured:
    """The cost of judging the frames of a drive."""

    back_to_back: Latency
    paced: Latency  # at 20 Hz: caches are colder than back to back, and a clock may drop
    cpu_percent: float  # of one core, at 20 Hz


@dataclass(frozen=True)
class Start:
    """What a process spends before its first frame, and the memory it holds afterwards."""

    import_s: float
    load_s: float
    resident_mb: float | None  # None if the system does not report it


def latencies_ms(
    call: Callable[[], object], hz: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[float]:
    """Call `call` `hz` times a second, or back to back if 0, and yield the ms of each call, without end."""
    began_s = clock()
    for number in itertools.count():
        if hz:
            sleep(max(0.0, began_s + number / hz - clock()))
        started_s = clock()
        call()
        yield (clock() - started_s) * 1e3


def measure(
    monitor: Monitor,
    seconds: float,
    *,
    clock: Callable[[], float] = CLOCK,
    cpu_clock: Callable[[], float] = CPU_CLOCK,
    sleep: Callable[[float], None] = SLEEP,
) -> Measured:
    """Judge synthetic frames for `seconds` back to back, then for as long at 20 Hz.

    The times of the frames are always those of a 20 Hz camera, so that both do the same work. Raises InputError if
    the bundle cannot score them.
    """
    bundle = monitor.scorer.bundle
    frames, numbers = synthetic_frames(bundle.height, bundle.width), itertools.count()

    def judge() -> str:
        number = next(numbers)
        score = monitor.update(frames[number % len(frames)], number * INTERVAL_S).score
        return "" if score.status == "ok" else score.detail or score.status

    for _ in range(WARM_UP_FRAMES):
        if problem := judge():
            raise InputError(f"{bundle.folder} scores no frame: {problem}; export it again")

    def latency(hz: float) -> Latency:
        ends_s, times_ms = clock() + seconds, latencies_ms(judge, hz, clock, sleep)
        return Latency.of(itertools.chain([next(times_ms)], itertools.takewhile(lambda _: clock() < ends_s, times_ms)))

    back_to_back = latency(0.0)
    cpu_s, began_s = cpu_clock(), clock()
    paced = latency(HZ)
    return Measured(back_to_back, paced, 100 * (cpu_clock() - cpu_s) / (clock() - began_s))


def unreachable_thresholds(bundle: Bundle) -> Thresholds:
    """Return thresholds that no frame reaches: evidence is gathered as on a calibrated car, and no event is raised."""
    baseline = np.zeros((2, GRID_SIDE, GRID_SIDE), np.float32)
    return Thresholds((-1.0, 0.0, 1.0), baseline, excess=(99.0, 99.0), averaging_s=0.5, reference=bundle.reference)


def fresh_start(folder: Path) -> Start:
    """Measure imports, loading a bundle and judging a second of frames in a new process."""
    done = subprocess.run([sys.executable, "-c", START, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"a new process cannot run {folder}: {reason}; see that it runs in this environment")
    return Start(*json.loads(done.stdout))


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Run `count` processes that copy memory as fast as they can, for as long as the context lasts."""
    with ExitStack() as stack:
        command = [sys.executable, "-c", BUSY, str(os.getpid())]
        started = [stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE)) for _ in range(count)]
        for process in started:
            stack.callback(process.kill)
        for process in started:
            if not process.stdout.readline():  # type: ignore[union-attr]
                raise InputError(f"{count} processes of 64 MB are more than this machine can start; give fewer")
        yield
