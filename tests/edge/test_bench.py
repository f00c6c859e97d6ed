"""The measuring core on made-up clocks; the fresh process and the load are real."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.device import bench, machine
from mle_uvad.edge.device.bench import (
    WARM_UP_FRAMES,
    Latency,
    Measured,
    busy_processes,
    fresh_start,
    latencies_ms,
    measure,
    unreachable_thresholds,
)
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.monitor import Monitor, Reading


class Time:
    """A clock that stands still but for what sleeps and works."""

    def __init__(self) -> None:
        self.now_s = self.cpu_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def cpu_clock(self) -> float:
        return self.cpu_s

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now_s += seconds

    def work(self, seconds: float) -> None:
        self.now_s += seconds
        self.cpu_s += seconds


@pytest.fixture
def monitor(bundle: Bundle) -> Monitor:
    return Monitor(open_scorer(bundle), unreachable_thresholds(bundle))


def measured(monitor: Monitor, monkeypatch: pytest.MonkeyPatch, ms: Callable[[int], float]) -> tuple[Measured, Any]:
    """On a clock by which frame number n takes `ms(n)`, with the readings."""
    times, update = Time(), monitor.update
    readings: list[Reading] = []

    def slow(frame: Any, t_s: float) -> Reading:
        times.work(ms(len(readings)) / 1e3)
        readings.append(update(frame, t_s))
        return readings[-1]

    monkeypatch.setattr(monitor, "update", slow)
    found = measure(monitor, 1.0, clock=times.clock, cpu_clock=times.cpu_clock, sleep=times.sleep)
    return found, readings


def test_percentiles_of_known_times() -> None:
    assert Latency.of(range(1, 102)) == Latency(101, 51.0, 100.0, 101.0)


def test_paced_calls_begin_on_the_beat_and_back_to_back_ones_at_once() -> None:
    times, began = Time(), []

    def call() -> None:
        began.append(times.now_s)
        times.work(0.12 if len(began) == 2 else 0.01)  # one overruns two beats

    taken = list(islice(latencies_ms(call, 20.0, times.clock, times.sleep), 6))
    assert began == pytest.approx([0.0, 0.05, 0.17, 0.18, 0.20, 0.25])  # late ones follow at once, the beat stays
    assert taken == pytest.approx([10, 120, 10, 10, 10, 10])
    began.clear()
    times.now_s = 0.0
    assert list(islice(latencies_ms(call, 0.0, times.clock, times.sleep), 3)) == pytest.approx([10, 120, 10])
    assert began == pytest.approx([0.0, 0.01, 0.13])


def test_both_modes_and_the_share_of_a_core(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    found, readings = measured(monitor, monkeypatch, lambda number: 500.0 if number < WARM_UP_FRAMES else 4.0)
    assert (found.back_to_back.p50, found.back_to_back.max) == pytest.approx((4.0, 4.0))  # without the warm-up
    assert found.back_to_back.frames == pytest.approx(250, abs=1)
    assert found.paced.frames == pytest.approx(20, abs=1)
    assert found.cpu_percent == pytest.approx(8.0, abs=0.5)
    assert [reading.t_s for reading in readings] == pytest.approx(np.arange(len(readings)) / 20)


def test_the_evidence_is_gathered_and_no_event_raised(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    _, readings = measured(monitor, monkeypatch, lambda _: 5.0)
    timed = readings[WARM_UP_FRAMES:]
    assert {reading.score.status for reading in timed} == {"ok"}
    assert all(reading.evidence.map is not None for reading in timed)
    assert max(reading.evidence.value for reading in timed) > 0
    assert {reading.alarm.event_id for reading in timed} == {0}


def test_a_frame_slower_than_all_the_time_is_still_one_frame(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = measured(monitor, monkeypatch, lambda _: 3000.0)
    assert (found.back_to_back.frames, found.paced.frames) == (1, 1)
    assert found.paced.p99 == pytest.approx(3000.0)


def test_a_bundle_that_scores_nothing_is_refused(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(monitor.scorer.backend, "run", fail)
    with pytest.raises(InputError, match="scores no frame: RuntimeError: out of memory; export it again"):
        measure(monitor, 1.0)


def test_a_fresh_start_is_timed_in_a_process_of_its_own(bundle: Bundle, tmp_path: Path) -> None:
    began_s = time.perf_counter()
    start = fresh_start(bundle.folder)
    assert 0 < start.import_s + start.load_s < time.perf_counter() - began_s
    assert start.resident_mb is not None
    assert 20 < start.resident_mb < 500
    with pytest.raises(InputError, match=r"a new process cannot run .*does not exist"):
        fresh_start(tmp_path / "no")


def test_busy_processes_burn_and_end() -> None:
    before = os.times()
    with busy_processes(2):
        time.sleep(0.5)  # the one thing here that wants real time
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system > 0.05


def test_busy_processes_end_when_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen):
        def __init__(self, command: list[str], stdout: int) -> None:
            super().__init__(command, stdout=stdout)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    with pytest.raises(ValueError, match="broken"), busy_processes(2):
        raise ValueError("broken")
    assert [process.returncode for process in started] == [-signal.SIGKILL] * 2


def test_busy_processes_do_not_outlive_a_bench_that_is_killed() -> None:
    program = "import os; from mle_uvad.edge.device.bench import *\nwith busy_processes(2): os._exit(7)"
    # They hold this pipe too: it ends when they do, or the time is up.
    ran = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, timeout=30, check=False)
    assert (ran.returncode, ran.stderr) == (7, b"")


def test_load_that_cannot_be_had_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "BUSY", "raise SystemExit")
    with pytest.raises(InputError, match="2 processes of 64 MB are more than"), busy_processes(2):
        pass


def test_the_board_and_its_temperatures_are_told(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = tmp_path / "model"
    board.write_text("Raspberry Pi 4 Model B Rev 1.4\0")
    for number, (name, temperature) in enumerate([("cpu-thermal", "48312\n"), ("gpu-thermal", "asleep")]):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "type").write_text(f"{name}\n")
        (zone / "temp").write_text(temperature)
    (tmp_path / "thermal_zone2").mkdir()
    monkeypatch.setattr(machine, "BOARD_FILE", board)
    monkeypatch.setattr(machine, "THERMAL_FOLDER", tmp_path)
    assert machine.describe(bundle, open_scorer(bundle).backend)["board"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert machine.temperatures() == {"cpu-thermal": 48.312}
    monkeypatch.setattr(machine, "THERMAL_FOLDER", tmp_path / "none")
    monkeypatch.setattr(machine, "STATUS_FILE", tmp_path / "none")
    assert (machine.temperatures(), machine.resident_mb()) == ({}, None)


def test_the_limits_belong_to_the_bundle(bundle: Bundle) -> None:
    other = replace(bundle, reference=bundle.reference + 1)
    np.testing.assert_array_equal(unreachable_thresholds(other).reference, other.reference)
    assert unreachable_thresholds(bundle).judges_cells
