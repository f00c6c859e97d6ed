"""`mle-uvad calibrate --car` with a real part at the other end, on a shared clock."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mle_uvad.calibration import Calibration
from mle_uvad.calibration.kept import save
from mle_uvad.cli import calibrate
from mle_uvad.edge import Bundle
from mle_uvad.parts import MLEAnomalyPart

HZ = 6.0


class Running:
    """A car that drives while the command sleeps."""

    def __init__(self, part: Callable[[Callable[[], float]], MLEAnomalyPart], frames: list[Any]) -> None:
        self.now_s, self.frame, self.frames = 100.0, 0, frames
        self.part = part(lambda: self.now_s)

    def sleep(self, seconds: float) -> None:
        for _ in range(round(seconds * HZ)):
            self.now_s += 1 / HZ
            self.frame += 1
            self.part.run(self.frames[self.frame % len(self.frames)] ^ np.uint8(self.frame % 2))


@pytest.fixture
def car(stand_in_car: Path, bundle_folder: Path) -> Path:
    (stand_in_car / "models").mkdir()
    bundle_folder.rename(stand_in_car / "models" / "lens")
    return stand_in_car


@pytest.fixture
def driving_time(car: Path, moving_frames: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    cfg = SimpleNamespace(CAR_PATH=str(car))

    def part(clock: Callable[[], float]) -> MLEAnomalyPart:
        made = MLEAnomalyPart.from_config(cfg)
        made._clock = clock
        return made

    run = Running(part, moving_frames(320))
    monkeypatch.setattr(calibrate, "time", SimpleNamespace(monotonic=lambda: run.now_s, sleep=run.sleep))
    yield run
    run.part.shutdown()


def test_a_running_car_is_calibrated(run: Any, car: Path, driving_time: Running, bundle: Bundle) -> None:
    done = run("calibrate", "--car", car)
    assert done.code == 0
    *lines, ended, then = done.err.splitlines()
    assert all(line.startswith("calibrating, keep driving: ") for line in lines)
    assert ended.startswith("calibrating, keep driving: 100 % in ")
    assert then == f"next: drive on, then mle-uvad events {car}"
    path = car / "models" / "lens" / "calibration.json"
    assert done.out == f"{path}: calibrated, and in force\n"
    assert Calibration.load(path).mismatch(bundle, "ort") == ""
    figures = json.loads(run("calibrate", "--car", car, "--json").out)
    assert figures == {"calibration": str(path), "state": "calibrated", "detail": ""}


def test_a_rejected_drive_is_one_line(run: Any, car: Path, driving_time: Running) -> None:
    driving_time.frames = [np.zeros((120, 160, 3), np.uint8)]
    done = run("calibrate", "--car", car)
    assert done.code == 2
    [line] = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert "not calibrated: the picture was dark for 90 s, at 0%; take the cap off the lens" in line


def test_without_a_running_car(run: Any, car: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr(
        calibrate,
        "time",
        SimpleNamespace(
            monotonic=lambda: clock.now_s, sleep=lambda seconds: setattr(clock, "now_s", clock.now_s + seconds)
        ),
    )
    line = run("calibrate", "--car", car).error_line
    assert f"no car answers in {car / 'models' / 'lens'}; start it: python manage.py drive" in line
    assert clock.now_s < 15


def test_conflicting_arguments(run: Any, car: Path, tmp_path: Path) -> None:
    assert "give BUNDLE and --tub TUB, or --car MYCAR" in run("calibrate").error_line
    assert "run `mle-uvad calibrate BUNDLE --tub TUB`" in run("calibrate", tmp_path).error_line
    for more in (("--rule", "pcc"), ("--false-alarms-per-hour", 2), ("--tub", tmp_path), ("--out", tmp_path / "x")):
        assert "give --car alone" in run("calibrate", "--car", car, *more).error_line
    assert "give the car's" in run("calibrate", "--car", tmp_path / "nothing").error_line
    (car / "models" / "lens").rename(tmp_path / "gone")
    assert "cannot be written" in run("calibrate", "--car", car).error_line


def test_the_calibration_before_is_restored_by_bundle_and_by_car(run: Any, car: Path, calibration: Calibration) -> None:
    path = car / "models" / "lens" / "calibration.json"
    for rate in (1.0, 2.0):
        save(calibration.at(rate), path)
    for given, rate in (((path.parent,), 1.0), (("--car", car), 2.0), ((car,), 1.0)):
        done = run("calibrate", *given, "--restore")
        assert done.code == 0
        assert "restored the calibration of 2026-01-01" in done.err
        assert f"next: mle-uvad score TUB --bundle {path.parent}" in done.err
        assert Calibration.load(path).false_alarms_per_hour == rate
    path.with_name(f"{path.name}.1").write_text(
        json.dumps(json.loads(path.read_text()) | {"created_at": "then[/x]\x1b[2J"})
    )
    assert "restored the calibration of then[/x]\ufffd[2J; a" in run("calibrate", car, "--restore").err
    assert "give either BUNDLE or --car" in run("calibrate", "--restore").error_line
    assert "--restore makes no thresholds" in run("calibrate", car, "--restore", "--rule", "pcc").error_line
