"""Checks a car before it drives: reports what would keep the lens monitor from working, and how to fix it."""

import itertools
import os
import shlex
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from ...calibration import Calibration
from ...edge.backends import open_scorer
from ...edge.bundle import Bundle
from ...edge.device.bench import latencies_ms
from ...edge.errors import InputError
from ...edge.scorer import FrameScore, Scorer
from ..anomaly import STALE_AFTER_S, MLEAnomalyPart
from ..config import LensConfig
from ..events.event import read_events
from ..home_assistant import broker_of
from ..luma_camera import LumaCamera
from .button import shared_button
from .car_config import CarConfig, read_car_config, tub_refuses
from .host import host_folder, missing_imports, static_files_missing
from .manage_py import ManagePy, advice

PASS, WARN, FAIL = "PASS", "WARN", "FAIL"
FREE_MB_WARN, FREE_MB_FAIL = 256, 16  # an event with its snapshots takes some 30 kB
YEAR_MIN, YEAR_MAX = 2025, 2100  # without a battery a board starts in 1970, or when it was switched off
FRAMES_TIMED, WARMUP_FRAMES = 50, 5


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    check: str
    verdict: str  # PASS, WARN or FAIL
    reason: str
    fix: str = ""  # what to do or type; empty for PASS


def examine(car: Path, now: datetime) -> list[Finding]:
    """Run all checks of a car and return the findings, in the order in which to fix them.

    Changes nothing, apart from a temporary file and the engine of TensorRT: where none fits, it is built, which takes
    minutes, as the car's next start would. Raises InputError if the folder is not a car's, that is, it does not exist
    or has no readable config.py.
    """
    config = read_car_config(car)
    findings = [
        _run("manage.py", _check_manage_py, car),
        _run("donkeycar", _check_donkeycar, car),
        _run("tub", _check_tub, config),
    ]
    if config.get("HAVE_MQTT_TELEMETRY"):
        findings.append(_run("telemetry", _check_telemetry, config))
    try:
        lens = LensConfig.read(config.as_cfg())
    except InputError as error:
        return [*findings, _failed("settings", error)]
    findings += [_check_settings(config, lens), _run("button", _check_button, config, lens)]
    try:
        scorer = open_scorer(Bundle.load(lens.bundle))
    except InputError as error:
        findings.append(_failed("bundle", error, "" if lens.bundle.exists() else f"copy the bundle to {lens.bundle}"))
    else:
        findings += [
            _check_bundle(scorer),
            _run("calibration", _check_calibration, lens.calibration, scorer, config, lens),
            _check_camera(config, scorer.bundle),
            _check_speed(scorer, _hz(config)),
        ]
    return [
        *findings,
        _run("disk", _check_disk, lens.event_log.parent),
        _run("event log", _check_event_log, lens.event_log),
        _check_clock(now),
    ]


def _check_manage_py(car: Path) -> Finding:
    manage = ManagePy.read(car)
    reason, _, fix = advice(manage).partition("; ")
    if manage.is_complete:
        return Finding("manage.py", PASS, reason)
    return Finding("manage.py", FAIL if manage.state == "absent" else WARN, reason, fix)


def _check_donkeycar(car: Path) -> Finding:
    host = host_folder()
    if host is None:
        return Finding("donkeycar", PASS, "not installed in this Python, so not checked")
    if missing := missing_imports(ManagePy.read(car).text, car, host):
        reason = f"manage.py imports {', '.join(missing)}, which this Python does not have: the car will not start"
        install = f"in the environment of the car, pip install {' '.join(missing)}"
        return Finding("donkeycar", WARN, reason, f"{install}; a file of your own belongs beside manage.py")
    problem, _, fix = static_files_missing(host).partition("; ")
    if problem:
        return Finding("donkeycar", WARN, problem, fix)
    return Finding("donkeycar", PASS, f"{host} has its web page and all that manage.py imports")


def _check_tub(config: CarConfig) -> Finding:
    wanted = ManagePy.read(config.car).records_lens
    if problem := tub_refuses(config, MLEAnomalyPart.recorded, wanted=wanted):
        raise InputError(problem)
    return Finding("tub", PASS, f"{config.tub} accepts the lens fields")


def _check_telemetry(config: CarConfig) -> Finding:
    broker = broker_of(config.as_cfg())
    if not broker.is_public:
        return Finding("telemetry", PASS, f"goes to the MQTT broker {broker.host}")
    reason = f"goes to {broker.host}, a public MQTT broker: anyone can read there what the car does"
    return Finding("telemetry", WARN, reason, f"set {broker.setting} to your own broker")


def _check_settings(config: CarConfig, lens: LensConfig) -> Finding:
    keys = ("IMAGE_W", "IMAGE_H", "IMAGE_DEPTH", "DATA_PATH", "DRIVE_LOOP_HZ", "AUTO_CREATE_NEW_TUB")
    computed = sorted(name for name in config.computed if name.startswith("LENS_") or name in keys)
    if computed:
        reason = f"the value of {', '.join(computed)} is known only when the car runs; these checks use the default"
        return Finding("settings", WARN, reason, "set it to a plain value in myconfig.py")
    return Finding("settings", PASS, f"the LENS_ keys are valid; LENS_ACTION is {lens.action}")


def _check_button(config: CarConfig, lens: LensConfig) -> Finding:
    problem, _, fix = shared_button(ManagePy.read(config.car), config, lens).partition("; ")
    if problem:
        return Finding("button", WARN, problem, fix)
    button = lens.calibrate_button
    return Finding("button", PASS, f"{button} starts a calibration and nothing else" if button else "none is set")


def _check_bundle(scorer: Scorer) -> Finding:
    bundle, backend = scorer.bundle, scorer.backend
    runs = f"runs on {backend.about}" + ("; its engine was built now if none fitted" if backend.name == "trt" else "")
    loads = f"{bundle.folder} loads: {len(bundle.model) / 1e6:.2f} MB, model {bundle.sha256[:12]}"
    return Finding("bundle", PASS, f"{loads}; {runs}")


def _camera_kind(config: CarConfig, lens: LensConfig) -> str | None:
    """Return the kind of frames, `rgb` or `luma`, that the car gives the part; None if its files do not say."""
    if lens.camera_channel == LumaCamera.outputs[1]:
        return "luma"
    depth = config.get("IMAGE_DEPTH", 3)
    return "luma" if depth == 1 else "rgb" if depth == 3 else None


def _check_calibration(path: Path, scorer: Scorer, config: CarConfig, lens: LensConfig) -> Finding:
    kind = _camera_kind(config, lens)
    if not path.exists():
        # A car that gets its luma from the camera records RGB all the same.
        car, bundle = shlex.quote(str(config.car)), shlex.quote(str(scorer.bundle.folder))
        drive = f"--car {car}" if lens.camera_channel == LumaCamera.outputs[1] else f"{bundle} --tub TUB"
        without = (
            "no event will be raised"
            if scorer.bundle.uncalibrated_excess is None
            else "only large faults count at first"
        )
        reason = f"there is no calibration at {path}: {without}"
        return Finding("calibration", WARN, reason, f"mle-uvad calibrate {drive}")
    found = Calibration.load_for(path, scorer.bundle, scorer.backend.name, kind).at(lens.false_alarms_per_hour)
    return Finding(
        "calibration",
        PASS,
        f"fits the bundle and {found.camera} frames; made {found.created_at} from {found.duration_s / 60:.1f} min",
    )


def _check_camera(config: CarConfig, bundle: Bundle) -> Finding:
    width, height = config.get("IMAGE_W"), config.get("IMAGE_H")
    wanted = f"{bundle.width}x{bundle.height}"
    if (width, height) == (bundle.width, bundle.height):
        return Finding("camera", PASS, f"frames are {wanted}, as the bundle needs")
    if width is None or height is None:
        return Finding("camera", WARN, "IMAGE_W and IMAGE_H are not plain numbers", f"make them {wanted}")
    return Finding(
        "camera",
        FAIL,
        f"frames are {width}x{height}, the bundle needs {wanted}",
        f"set IMAGE_W = {bundle.width} and IMAGE_H = {bundle.height} in myconfig.py, or train on drives of this size",
    )


def _check_speed(scorer: Scorer, hz: float) -> Finding:
    bundle, rng, numbers = scorer.bundle, np.random.default_rng(0), itertools.count()
    frame = rng.integers(0, 256, (bundle.height, bundle.width, 3), np.uint8)

    def score() -> FrameScore:
        return scorer.score(frame, next(numbers) / hz)

    first = score()
    if first.status != "ok":
        return Finding("speed", FAIL, f"no frame can be scored: {first.detail or first.status}", "export it again")
    times = latencies_ms(score, 0.0, time.perf_counter, time.sleep)
    times_ms = list(itertools.islice(times, WARMUP_FRAMES + FRAMES_TIMED))
    median_ms, slow_ms = np.quantile(times_ms[WARMUP_FRAMES:], (0.5, 0.95))
    reason = f"{median_ms:.2f} ms per frame, 95 % within {slow_ms:.2f} ms; the drive loop allows {1000 / hz:.0f} ms"
    fix = "train with --width narrow, or stop other programs"
    if slow_ms <= 1000 / hz:
        return Finding("speed", PASS, reason)
    # The loop does not wait for a threaded part, which then skips frames.
    return Finding("speed", WARN if median_ms < STALE_AFTER_S * 1000 else FAIL, f"{reason}; frames are skipped", fix)


def _hz(config: CarConfig) -> float:
    hz = config.get("DRIVE_LOOP_HZ")
    return hz if isinstance(hz, int | float) and hz > 0 else 20.0


def _check_disk(folder: Path) -> Finding:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    with tempfile.TemporaryFile(dir=existing) as probe:
        probe.write(bytes(4096))
    free_mb = shutil.disk_usage(existing).free / 1e6
    verdict = FAIL if free_mb < FREE_MB_FAIL else WARN if free_mb < FREE_MB_WARN else PASS
    fix = "" if verdict == PASS else "delete old tubs, or set LENS_EVENT_LOG to another disk"
    return Finding("disk", verdict, f"{existing} is writable, {free_mb:.0f} MB free", fix)


def _check_event_log(path: Path) -> Finding:
    if not path.exists():
        return Finding("event log", PASS, f"{path} will be created on the first drive")
    try:
        events = read_events(path)
    except InputError as error:
        if not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
            raise
        reason, _, _ = str(error).partition("; ")
        fix = f"none needed: the next drive renames it, to {path.name}.damaged-1 for example, and starts a new one"
        return Finding("event log", WARN, reason, fix)
    return Finding("event log", PASS, f"{path} is readable: {len(events)} events")


def _check_clock(now: datetime) -> Finding:
    shown = now.astimezone(timezone.utc).isoformat(timespec="seconds")
    if YEAR_MIN <= now.year < YEAR_MAX:
        return Finding("clock", PASS, f"shows {shown}")
    reason = f"shows {shown}: events will have wrong dates; their durations will be right"
    return Finding("clock", WARN, reason, "connect it to a network, or type: sudo date -s 'YYYY-MM-DD HH:MM'")


def _run(check: str, function: Callable[..., Finding], *arguments: object) -> Finding:
    try:
        return function(*arguments)
    except (InputError, OSError, sqlite3.Error) as error:
        return _failed(check, error)


def _failed(check: str, error: Exception, fix: str = "") -> Finding:
    if isinstance(error, OSError):
        reason = f"{error.filename or check}: {error.strerror or error}"
        remedy = "make sure that the car's user can read and write there"
    else:
        reason, _, remedy = str(error).partition("; ")
    return Finding(check, FAIL, reason, fix or remedy)
