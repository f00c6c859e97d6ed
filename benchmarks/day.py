"""Check for leaks over a day of driving: `python benchmarks/day.py` (about ten minutes on one core).

Runs 24 hours at 20 Hz through everything after the scorer, with an event every ten minutes and the real event log on a
real disk; then one hour of camera frames through the real part with ONNX Runtime. Goals: resident memory grows by less
than 1 MB per 100,000 frames, the numbers of open files and threads do not grow, and no event is lost.
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
from mle_uvad.parts.events.snapshots import Snapshot
from mle_uvad.parts.events.tracker import EventContext, EventTracker

HZ = 20
DAY, HOUR = 24 * 3600 * HZ, 3600 * HZ  # frames
EVENT_EVERY, EVENT_LASTS = 600 * HZ, 10 * HZ  # frames
SCORES = 997  # after which they repeat
SNAPSHOTS_MB = 2.0  # small enough that a day has to purge
SAMPLES = 96  # of memory, files and threads, at even intervals
WARM_UP = 1 / 24  # of the run, left out of the slope


class Usage:
    """Samples of the resources of the process: resident memory, open files, threads."""

    def __init__(self, frames: int) -> None:
        self.every = frames // SAMPLES
        self.samples: list[tuple[int, float, int, int]] = []

    def sample(self, number: int) -> None:
        if number % self.every == 0:
            files = len(os.listdir("/proc/self/fd"))
            self.samples.append((number, resident_mb() or 0.0, files, threading.active_count()))

    def line(self) -> str:
        """Summarise the samples in one line."""
        frame, mb, files, threads = np.array(self.samples[int(SAMPLES * WARM_UP) + 1 :]).T
        slope = np.polyfit(frame, mb, 1)[0] * 100_000
        return (
            f"{mb[0]:.1f} MB after the warm-up, {mb[-1]:.1f} MB at the end, {slope:+.3f} MB per 100,000 frames;"
            f" open files {files.min():.0f}…{files.max():.0f}, threads {threads.min():.0f}…{threads.max():.0f}"
        )


def scores(rng: np.random.Generator, excess: float) -> list[FrameScore]:
    """Generate scores of a moving car, with the log odds of the upper left quarter of the cells raised by `excess`."""
    logits = rng.normal(0, 0.3, (SCORES, GRID_SIDE, GRID_SIDE)).astype(np.float32)
    logits[:, : GRID_SIDE // 2, : GRID_SIDE // 2] += excess
    feature_maps = rng.normal(0.5, 0.05, (SCORES, FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE)).astype(np.float32)
    pccs = rng.normal(0.9, 0.01, SCORES).clip(0.5, 0.99)
    return [
        FrameScore("ok", pcc, cells, maps, motion=0.1, warmed_up=True)
        for pcc, cells, maps in zip(pccs.tolist(), logits, feature_maps, strict=True)
    ]


def drive(rng: np.random.Generator, frames: int) -> Iterator[FrameScore]:
    """Yield scores at 20 Hz, with ten seconds of an obscured lens every ten minutes."""
    clear, wet = scores(rng, 0.0), scores(rng, 4.0)
    for number in range(frames):
        yield (wet if number % EVENT_EVERY >= EVENT_EVERY - EVENT_LASTS else clear)[number % SCORES]


def run_after_scorer(folder: Path, frames: int) -> None:
    """Run evidence, drift, alarm, events and the log on generated scores."""
    rng = np.random.default_rng(0)
    reference = np.stack([np.full((FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE), value) for value in (0.5, 0.1)])
    thresholds = Thresholds(
        (0.0, 0.9, 1.0), np.zeros((2, GRID_SIDE, GRID_SIDE), np.float32), (2.0, 2.0), 0.5, reference.astype(np.float32)
    )
    scorer: Any = SimpleNamespace(score=lambda score, t_s: score, restart=lambda: None, bundle=None)
    monitor, tracker = Monitor(scorer, thresholds), EventTracker(EventContext("day", "model", "", "{}"))
    log, usage = EventLog(folder / "lens.db", pictures_mb=SNAPSHOTS_MB), Usage(frames)
    frame = rng.integers(0, 256, (120, 160, 3), np.uint8)
    midnight, changes = datetime(2026, 1, 1, tzinfo=timezone.utc), 0
    began_s = time.perf_counter()
    for number, score in enumerate(drive(rng, frames)):
        t_s = number / HZ
        reading = monitor.update(score, t_s)
        for change in tracker.update(reading, midnight + timedelta(seconds=t_s)):
            heat_map, paths = reading.evidence.map, change.snapshot
            if heat_map is not None and paths is not None:
                log.write(change.event, Snapshot(frame.copy(), heat_map, paths))
            else:
                log.write(change.event)
            changes += 1
        usage.sample(number)
    took_s = time.perf_counter() - began_s
    log.close()
    events = read_events(folder / "lens.db")
    kept_mb = sum(path.stat().st_size for path in (folder / "lens_events").iterdir()) / 1e6
    print(f"after the scorer: {frames:,} frames in {took_s:.0f} s, {took_s / frames * 1e3:.3f} ms per frame")
    print(f"  {usage.line()}")
    print(
        f"  {frames // EVENT_EVERY} times obscured, {len(events)} events in the log, {changes} changes, {log.lost} lost"
        f"; log {(folder / 'lens.db').stat().st_size / 1e3:.0f} kB, snapshots {kept_mb:.2f} of {SNAPSHOTS_MB:.0f} MB"
    )


def run_part(folder: Path, frames: int) -> None:
    """Run camera frames through the part, ONNX Runtime included."""
    bundle = make_bundle(folder, "medium").folder
    ticks = count()
    part = MLEAnomalyPart(bundle, bundle / CALIBRATION_FILE, folder / "part.db", clock=lambda: next(ticks) / HZ)
    usage, images = Usage(frames), camera_frames(64)
    began_s = time.perf_counter()
    scored = 0
    for number in range(frames):
        scored += part.run(images[number % len(images)].copy())[0] is not None
        usage.sample(number)
    took_s = time.perf_counter() - began_s
    part.shutdown()
    print(
        f"the real part: {frames:,} frames in {took_s:.0f} s, {took_s / frames * 1e3:.2f} ms per frame,"
        f" {scored:,} scored"
    )
    print(f"  {usage.line()}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        run_after_scorer(Path(name), DAY)
        run_part(Path(name), HOUR)


if __name__ == "__main__":
    main()
