"""The whole edge path on made-up frames: run on two machines and held against each other, by `make arm64`.

python tests/arm64_path.py calibrate BUNDLE CALIBRATION           on the desktop
python tests/arm64_path.py run BUNDLE CALIBRATION FOUND.json      on either; needs what the car has
python tests/arm64_path.py compare DESKTOP.json DEVICE.json...    leaves with 1 where they differ
"""

import json
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mle_uvad.calibration import Calibration
from mle_uvad.edge import Bundle, Monitor
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.backends.synthetic_frames import synthetic_frames
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.events.event import read_events

HZ = 10.0  # an emulated frame takes a sixth of a second
CLEAN_S = 40.0  # of the calibration
CLEAR_S, OBSCURED_S, WIPED_S = 5.0, 3.0, 4.0
PCC_TOLERANCE, TOLERANCE = 1e-5, 1e-4
# By which the same event is known; its wall times, drive and versions are those of the machine.
KNOWN_BY = ("id", "state", "worst_level", "duration_s", "frames", "cause", "cleared_by", "model_sha256")


def drive() -> list[Any]:
    """Frames [120, 160, 3] with a clear lens, with a blurred place on it, and clear again."""
    half = round(max(CLEAR_S + WIPED_S, OBSCURED_S) * HZ)
    clear, obscured = np.split(np.stack(synthetic_frames(120, 160, 2 * half)), 2)
    before = round(CLEAR_S * HZ)
    return [*clear[:before], *obscured[: round(OBSCURED_S * HZ)], *clear[before:]]


def calibrate(bundle: Path, calibration: Path) -> None:
    """Make the limits, from frames of the same scene."""
    import hand_made

    count = round(CLEAN_S * HZ)
    hand_made.calibrate(Bundle.load(bundle), synthetic_frames(120, 160, 2 * count)[:count], HZ).save(calibration)


def run(bundle: Path, calibration: Path) -> dict[str, Any]:
    """What the monitor says of each frame, what the part puts out, and the events that are in its log."""
    began_s, frames, now = time.perf_counter(), drive(), [0.0]
    scorer = open_scorer(Bundle.load(bundle))
    monitor = Monitor(scorer, Calibration.load_for(calibration, scorer.bundle, scorer.backend.name).thresholds)
    readings = [monitor.update(frame, number / HZ) for number, frame in enumerate(frames)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "lens_events.db"
        part, outputs = MLEAnomalyPart(bundle, calibration, log, clock=lambda: now[0]), []
        for number, frame in enumerate(frames):
            now[0] = number / HZ
            outputs.append(part.run(frame)[:-1])  # without the map, which JSON does not hold
        part.shutdown()
        events = [asdict(event) for event in read_events(log)]
        pictures = len(list((Path(folder) / "lens_events").iterdir()))
    return {
        "machine": platform.machine(),
        "seconds": round(time.perf_counter() - began_s, 1),
        "status": [reading.alarm.status for reading in readings],
        "pcc": [reading.score.pcc for reading in readings],
        "log_odds": [reading.score.logits.tolist() for reading in readings if reading.score.logits is not None],
        "evidence": [reading.evidence.value for reading in readings],
        "outputs": outputs,
        "events": events,
        "pictures": pictures,
    }


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What tells two runs apart, a line each; none where they agree."""
    found = []
    for name, tolerance in (("pcc", PCC_TOLERANCE), ("log_odds", TOLERANCE), ("evidence", TOLERANCE)):
        apart = apart_by(one, other, name)
        if not apart <= tolerance:
            found.append(f"{name} by {apart:.1e}, allowed {tolerance:.0e}")
    for seen in (one, other):
        if [row[0] for row in seen["outputs"]] != seen["pcc"]:
            found.append(f"on {seen['machine']} the part says another PCC than the monitor")
    told = [
        [row[1::2] for row in seen["outputs"]] for seen in (one, other)
    ]  # obscured, number of the event, calibration
    if told[0] != told[1] or one["status"] != other["status"]:
        found.append("the part's outputs or the status")
    known = [[[event[name] for name in KNOWN_BY] for event in seen["events"]] for seen in (one, other)]
    if known[0] != known[1] or one["pictures"] != other["pictures"]:
        found.append(f"events: {known[0]} and {known[1]}, pictures {one['pictures']} and {other['pictures']}")
    if not known[0]:
        found.append("no event was raised: nothing was compared")
    return found


def apart_by(one: dict[str, Any], other: dict[str, Any], name: str) -> float:
    """The largest difference of a figure over all frames."""
    return float(np.abs(np.subtract(one[name], other[name])).max())


def compare(desktop: Path, devices: list[Path]) -> int:
    """Print a line for each device and return the exit code."""
    here, wrong = json.loads(desktop.read_text()), False
    for path in devices:
        there = json.loads(path.read_text())
        problems = differences(here, there)
        wrong |= bool(problems)
        apart = ", ".join(f"{name} {apart_by(here, there, name):.1e}" for name in ("pcc", "log_odds", "evidence"))
        print(
            f"{path.stem}, {there['machine']}, against {here['machine']}: {len(there['pcc'])} frames apart by {apart};"
        )
        print(f"  {len(there['events'])} events, {there['pictures']} pictures, {there['seconds']:.0f} s;", end=" ")
        print(f"FAIL: {'; '.join(problems)}" if problems else "PASS")
    return int(wrong)


if __name__ == "__main__":
    todo, first, *rest = sys.argv[1], *map(Path, sys.argv[2:])
    if todo == "calibrate":
        calibrate(first, rest[0])
    elif todo == "run":
        rest[1].write_text(json.dumps(run(first, rest[0])))
    else:
        sys.exit(compare(first, rest))
