"""Whether anything grows over a day: `python benchmarks/day.py` (some ten minutes of a core).

24 hours at 20 Hz through all that lies behind the scorer, an event every ten minutes, with the real event log on a
real disk; then an hour of camera frames through the real part with ONNX Runtime. Goals: resident memory grows by less
than 1 MB in 100,000 frames, open files and threads do not, no event is lost.
"""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scoring import camera_frames, make_bundle

from mle_uvad.edge.bundle import CALIBRATION_FILE
from mle_uvad.edge.device.machine import resident_mb
from mle_uvad.edge.evidence import Thresholds
from mle_uvad.edge.graph import FEATURE_MAPS, GRID_SIDE, REFERENCE_SIDE
from mle_uvad.edge.monitor import Monitor
from mle_uvad.edge.scorer import FrameScore
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.events.event import read_events
from mle_uvad.parts.events.log import EventLog
from mle_uvad.parts.events.snapshots import SnapshotFolder
from mle_uvad.parts.events.tracker import EventContext, EventTracker

HZ = 20
DAY, HOUR = 24 * 3600 * HZ, 3600 * HZ  # frames
EVENT_EVERY, EVENT_LASTS = 600 * HZ, 10 * HZ  # frames
SCORES = 997  # then they repeat
PICTURES_MB = 2.0  # so little that a day has to purge
SAMPLES = 96  # of memory, files and threads, evenly spread
WARM_UP = 1 / 24  # of the way, left out of the slope


class Usage:
    """Samples what the process holds: resident memory, open files, threads."""

    def __init__(self, frames: int) -> None:
        self.every = frames // SAMPLES
        self.samples: list[tuple[int, float, int, int]] = []

    def look(self, number: int) -> None:
        if number % self.every == 0:
            files = len(os.listdir("/proc/self/fd"))
            self.samples.append((number, resident_mb() or 0.0, files, threading.active_count()))

    def line(self) -> str:
        frame, mb, files, threads = np.array(self.samples[int(SAMPLES * WARM_UP) + 1 :]).T
        slope = np.polyfit(frame, mb, 1)[0] * 100_000
        return (
            f"{mb[0]:.1f} MB after the warm-up, {mb[-1]:.1f} MB at the end, {slope:+.3f} MB in 100,000 frames;"
            f" open files {files.min():.0f}…{files.max():.0f}, threads {threads.min():.0f}…{threads.max():.0f}"
        )


def scores(rng: np.random.Generator, places_up: float) -> list[FrameScore]:
    """What a network might say of a moving car; the upper left quarter of the places is raised."""
    logits = rng.normal(0, 0.3, (SCORES, GRID_SIDE, GRID_SIDE)).astype(np.float32)
    logits[:, : GRID_SIDE // 2, : GRID_SIDE // 2] += places_up
    pictures = rng.normal(0.5, 0.05, (SCORES, FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE)).astype(np.float32)
    pccs = rng.normal(0.9, 0.01, SCORES).clip(0.5, 0.99)
    return [
        FrameScore("ok", float(pcc), *parts, motion=0.1, settled=True)
        for pcc, *parts in zip(pccs, logits, pictures, strict=True)
    ]


def drive(rng: np.random.Generator, frames: int) -> Iterator[FrameScore]:
    """Scores at 20 Hz; every ten minutes ten seconds of an obscured lens."""
    clear, wet = scores(rng, 0.0), scores(rng, 4.0)
    for number in range(frames):
        yield (wet if number % EVENT_EVERY >= EVENT_EVERY - EVENT_LASTS else clear)[number % SCORES]


def behind_the_scorer(folder: Path, frames: int) -> None:
    """Evidence, drift, alarm, events and the log."""
    rng = np.random.default_rng(0)
    reference = np.stack([np.full((FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE), value) for value in (0.5, 0.1)])
    thresholds = Thresholds(
        (0.0, 0.9, 1.0), np.zeros((2, GRID_SIDE, GRID_SIDE)), (2.0, 2.0), 0.5, reference.astype(np.float32)
    )
    scorer: Any = SimpleNamespace(score=lambda score, t_s: score, restart=lambda: None, bundle=None)
    monitor, tracker = Monitor(scorer, thresholds), EventTracker(EventContext("day", "model", "", "{}"))
    log, usage = EventLog(folder / "lens.db", pictures_mb=PICTURES_MB), Usage(frames)
    frame = rng.integers(0, 256, (120, 160, 3), np.uint8)
    midnight, told = datetime(2026, 1, 1, tzinfo=timezone.utc), 0
    began_s = time.perf_counter()
    for number, score in enumerate(drive(rng, frames)):
        t_s = number / HZ
        reading = monitor.update(score, t_s)
        for change in tracker.update(reading, midnight + timedelta(seconds=t_s)):
            shown, names = reading.evidence.map, change.pictures
            log.write(change.event, SnapshotFolder(frame.copy(), shown, names) if names and shown is not None else None)
            told += 1
        usage.look(number)
    took_s = time.perf_counter() - began_s
    log.close()
    events = read_events(folder / "lens.db")
    kept_mb = sum(path.stat().st_size for path in (folder / "lens_events").iterdir()) / 1e6
    print(f"behind the scorer: {frames:,} frames in {took_s:.0f} s, {took_s / frames * 1e3:.3f} ms a frame")
    print(f"  {usage.line()}")
    print(
        f"  {frames // EVENT_EVERY} times obscured, {len(events)} events in the log, {told} changes, {log.lost} lost"
        f"; log {(folder / 'lens.db').stat().st_size / 1e3:.0f} kB, pictures {kept_mb:.2f} of {PICTURES_MB:.0f} MB"
    )


def real_part(folder: Path, frames: int) -> None:
    """Camera frames through the part, ONNX Runtime included."""
    bundle = make_bundle(folder, "medium").folder
    ticks = count()
    part = MLEAnomalyPart(bundle, bundle / CALIBRATION_FILE, folder / "part.db", clock=lambda: next(ticks) / HZ)
    usage, seen = Usage(frames), camera_frames(64)
    began_s = time.perf_counter()
    scored = 0
    for number in range(frames):
        scored += part.run(seen[number % len(seen)].copy())[0] is not None
        usage.look(number)
    took_s = time.perf_counter() - began_s
    part.shutdown()
    print(
        f"the real part: {frames:,} frames in {took_s:.0f} s, {took_s / frames * 1e3:.2f} ms a frame, {scored:,} scored"
    )
    print(f"  {usage.line()}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        behind_the_scorer(Path(name), DAY)
        real_part(Path(name), HOUR)


if __name__ == "__main__":
    main()
