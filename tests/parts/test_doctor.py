"""The doctor: a car that is fit passes everything, and each fault fails its own check with a fix."""

import itertools
import json
import logging
import shutil
from collections import namedtuple
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mle_uvad.calibration import Calibration
from mle_uvad.edge import InputError
from mle_uvad.edge.scorer import FrameScore, Scorer
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.events.log import EventLog
from mle_uvad.parts.install import doctor
from mle_uvad.parts.install.doctor import Finding, examine
from mle_uvad.parts.install.manage_py import ManagePy

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=timezone.utc)
CHECKS = ["manage.py", "donkeycar", "tub", "settings", "button", "bundle", "calibration", "camera", "speed"]
CHECKS += ["disk", "event log", "clock"]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time each frame as one millisecond: what else this machine does is no fault of the car."""
    clock = itertools.count()
    monkeypatch.setattr(doctor.time, "perf_counter", lambda: next(clock) / 1000)


@pytest.fixture
def car(stand_in_car: Path, bundle_folder: Path, calibration: Calibration) -> Path:
    """A car that is fit."""
    ManagePy.read(stand_in_car).install()
    bundle_folder.rename(stand_in_car / "lens")
    (stand_in_car / "models").mkdir()
    (stand_in_car / "lens").rename(stand_in_car / "models" / "lens")
    calibration.save(stand_in_car / "models" / "lens" / "calibration.json")
    (stand_in_car / "logs").mkdir()
    return stand_in_car


@pytest.fixture
def look(car: Path) -> Callable[..., dict[str, Finding]]:
    def run(now: datetime = NOW) -> dict[str, Finding]:
        findings = examine(car, now)
        for finding in findings:
            assert finding.verdict in ("PASS", "WARN", "FAIL")
            assert bool(finding.fix) == (finding.verdict != "PASS"), finding
            assert finding.reason
            assert "\n" not in finding.reason + finding.fix
        assert len({finding.check for finding in findings}) == len(findings)
        return {finding.check: finding for finding in findings}

    return run


def verdicts(findings: dict[str, Finding]) -> dict[str, str]:
    """What did not pass."""
    return {name: finding.verdict for name, finding in findings.items() if finding.verdict != "PASS"}


def test_a_fit_car_passes_everything_and_is_left_as_it_is(car: Path, look: Any) -> None:
    before = sorted(car.rglob("*"))
    findings = look()
    assert list(findings) == CHECKS
    assert verdicts(findings) == {}
    assert sorted(car.rglob("*")) == before
    assert "ms per frame" in findings["speed"].reason


def test_an_engine_that_is_missing_is_built_and_said(car: Path, look: Any, jetson: Callable[..., Any]) -> None:
    jetson("10.3.0")
    bundle = car / "models" / "lens"
    facts = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps(facts | {"target": "jetson"}))
    assert "its engine was built now if none fitted" in look()["bundle"].reason
    assert (bundle / "model.engine").exists()


def forget_manage_py(car: Path) -> None:
    ManagePy.read(car).undo()


def edit_manage_py(car: Path) -> None:
    path = car / "manage.py"
    path.write_text(path.read_text().replace("threaded=True", "threaded=False"))


def begin_a_tub(car: Path) -> None:
    (car / "data").mkdir()
    (car / "data" / "manifest.json").write_text('["cam/image_array"]\n["image_array"]\n')


def set_keys(text: str) -> Callable[[Path], None]:
    def write(car: Path) -> None:
        (car / "myconfig.py").write_text(text)

    return write


def damage_the_bundle(car: Path) -> None:
    (car / "models" / "lens" / "model.onnx").write_bytes(b"x")


def lose_the_bundle(car: Path) -> None:
    shutil.rmtree(car / "models")


def lose_the_calibration(car: Path) -> None:
    (car / "models" / "lens" / "calibration.json").unlink()


def another_calibration(car: Path) -> None:
    path = car / "models" / "lens" / "calibration.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_sha256": "0" * 64}))


def a_calibration_for_another_rate(car: Path) -> None:
    path = car / "models" / "lens" / "calibration.json"
    facts = {"rule": "pcc", "false_alarms_per_hour": 0.5, "maxima": [[], []]}
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def logs_are_a_file(car: Path) -> None:
    (car / "logs").rmdir()
    (car / "logs").write_text("in the way")


def event_log_is_something_else(car: Path) -> None:
    (car / "logs" / "lens_events.db").write_text("a holiday diary")


def a_luma_car_without_calibration(car: Path) -> None:
    lose_the_calibration(car)
    set_keys("LENS_CAMERA_CHANNEL = 'cam/luma'")(car)


@pytest.mark.parametrize(
    ("fault", "failing", "verdict", "fix"),
    [
        (forget_manage_py, "manage.py", "FAIL", "mle-uvad install-part"),
        (edit_manage_py, "manage.py", "WARN", "--undo"),
        (begin_a_tub, "tub", "FAIL", "AUTO_CREATE_NEW_TUB = True"),
        (set_keys("LENS_ACTON = 'stop'"), "settings", "FAIL", "did you mean LENS_ACTION?"),
        (set_keys("LENS_ACTION = 'brake'"), "settings", "FAIL", "choose one of"),
        (set_keys("import sys\nLENS_ACTION = sys.argv[1]"), "settings", "WARN", "plain value"),
        (damage_the_bundle, "bundle", "FAIL", "copy it again"),
        (lose_the_bundle, "bundle", "FAIL", "copy the bundle to"),
        (lose_the_calibration, "calibration", "WARN", "lens --tub TUB"),
        (a_luma_car_without_calibration, "calibration", "WARN", "mle-uvad calibrate --car "),
        (another_calibration, "calibration", "FAIL", "mle-uvad calibrate"),
        (a_calibration_for_another_rate, "calibration", "FAIL", "mle-uvad calibrate"),
        (set_keys("IMAGE_DEPTH = 1"), "calibration", "FAIL", "mle-uvad calibrate"),
        (set_keys("LENS_CAMERA_CHANNEL = 'cam/luma'"), "calibration", "FAIL", "mle-uvad calibrate"),
        (set_keys("IMAGE_W = 320\nIMAGE_H = 240"), "camera", "FAIL", "set IMAGE_W = 160 and IMAGE_H = 120"),
        (set_keys("IMAGE_W, IMAGE_H = 160, 120"), "camera", "WARN", "160x120"),
        (event_log_is_something_else, "event log", "WARN", "lens_events.db.damaged-1"),
        (logs_are_a_file, "disk", "FAIL", "read and write there"),
    ],
    ids=lambda value: getattr(value, "__name__", None) if callable(value) else None,
)
def test_each_fault_is_told_with_its_fix(
    fault: Callable[[Path], None], failing: str, verdict: str, fix: str, car: Path, look: Any
) -> None:
    fault(car)
    findings = look()
    assert findings[failing].verdict == verdict, findings
    assert fix in findings[failing].fix
    others = set(verdicts(findings)) - {failing}
    # A size that is not plain is told twice, once for the file and once for the camera.
    assert others <= ({"settings"} if failing == "camera" else set()), findings


@pytest.mark.parametrize(("free_mb", "verdict"), [(1000, "PASS"), (100, "WARN"), (1, "FAIL")])
def test_free_space(free_mb: int, verdict: str, look: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage(0, 0, free_mb * 1_000_000))
    finding = look()["disk"]
    assert (finding.verdict, f"{free_mb} MB free" in finding.reason) == (verdict, True)


def test_a_disk_that_cannot_be_written(look: Any, monkeypatch: Any) -> None:
    def refuse(dir: Path) -> None:
        raise OSError(30, "Read-only file system", str(dir))

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    assert "Read-only file system" in look()["disk"].reason


@pytest.mark.parametrize("year", [1970, 2016, 2150])
def test_a_clock_that_is_wrong_is_a_warning(year: int, look: Any) -> None:
    assert look(NOW.replace(year=year))["clock"].verdict == "WARN"


@pytest.mark.parametrize(("ms", "verdict"), [(10, "PASS"), (120, "WARN"), (1200, "FAIL")])
def test_the_speed_is_held_against_the_loop(ms: int, verdict: str, look: Any, monkeypatch: Any) -> None:
    clock = iter(range(100_000))
    monkeypatch.setattr(doctor.time, "perf_counter", lambda: next(clock) * ms / 1000)
    monkeypatch.setattr(Scorer, "score", lambda *_: FrameScore("ok", 0.5))
    finding = look()["speed"]
    assert finding.verdict == verdict
    assert f"{ms}.00 ms per frame" in finding.reason
    assert "the drive loop allows 50 ms" in finding.reason


def test_a_model_that_gives_no_score_fails(look: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(Scorer, "score", lambda *_: FrameScore("error", detail="no memory"))
    finding = look()["speed"]
    assert (finding.verdict, "no memory" in finding.reason) == ("FAIL", True)


def test_events_in_the_log_are_counted_also_while_the_car_runs(car: Path, look: Any) -> None:
    log = EventLog(car / "logs" / "lens_events.db")
    assert "0 events" in look()["event log"].reason
    log.close()


def test_lines_added_by_hand_are_a_warning(car: Path, look: Any) -> None:
    ManagePy.read(car).undo()
    path = car / "manage.py"
    path.write_text(path.read_text() + "from mle_uvad.parts import MLEAnomalyPart\n")
    assert look()["manage.py"].verdict == "WARN"


def test_what_is_no_car_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no config\.py"):
        examine(tmp_path, NOW)


def test_a_car_that_passes_is_one_that_the_part_starts_on(car: Path, look: Any, caplog: Any) -> None:
    from types import SimpleNamespace

    assert verdicts(look()) == {}
    with caplog.at_level(logging.WARNING):
        part = MLEAnomalyPart.from_config(SimpleNamespace(CAR_PATH=str(car)))
    part.shutdown()
    assert not caplog.records


@pytest.mark.parametrize(
    ("settings", "broker", "verdict", "said"),
    [
        ("", None, "WARN", "set TELEMETRY_MQTT_BROKER_HOST in myconfig.py to"),
        ("TELEMETRY_MQTT_BROKER_HOST = 'broker.hivemq.com'", None, "WARN", "set TELEMETRY_MQTT_BROKER_HOST"),
        ("TELEMETRY_MQTT_BROKER_HOST = '192.168.1.2'", None, "PASS", ""),
        ("TELEMETRY_MQTT_BROKER_HOST = '192.168.1.2'", "broker.hivemq.com", "WARN", "set DONKEY_MQTT_BROKER in the"),
        ("", "192.168.1.2", "PASS", ""),
        ("TELEMETRY_MQTT_BROKER_HOST = '192.168.1.2'", "", "FAIL", "set DONKEY_MQTT_BROKER in the"),
        ("TELEMETRY_MQTT_BROKER_HOST = ''", None, "FAIL", "set TELEMETRY_MQTT_BROKER_HOST in myconfig.py to"),
    ],
)
def test_telemetry_to_the_public_broker_is_pointed_out(
    settings: str, broker: str | None, verdict: str, said: str, car: Path, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DONKEY_MQTT_BROKER", raising=False)
    if broker is not None:
        monkeypatch.setenv("DONKEY_MQTT_BROKER", broker)
    with (car / "myconfig.py").open("a") as file:
        file.write(f"\nHAVE_MQTT_TELEMETRY = True\n{settings}\n")
    found = look()["telemetry"]
    assert found.verdict == verdict
    assert said in found.fix
    assert ("anyone can read there" in found.reason) == (verdict == "WARN")
