"""The event rows that the part writes while it drives, with the real detector."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from mle_uvad import __version__
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.events.event import read_events

LOG = Path("logs", "lens.db")


@pytest.fixture
def events(tmp_path: Path) -> Any:
    return lambda: read_events(tmp_path / LOG)


def written(part: MLEAnomalyPart) -> None:
    """Wait until the log has taken everything it was given."""
    while len(part._log._queue):
        pass


def test_an_open_event_is_on_the_disk_and_grows_there(
    make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, events: Any
) -> None:
    part = make_part()
    said = drive(part, 2 * clear_frames + wet_frames)
    assert said[-1][1]
    for _ in range(3):
        drive(part, wet_frames)
    written(part)
    (event,) = events()
    assert (event.state, event.duration_s) == ("open", None)
    assert event.frames > 1, "nothing was written after the onset"
    assert event.cause.startswith("The lens is obscured on the left, ")
    assert event.level == event.worst_level == "ERROR", "half of the picture is blurred"
    assert event.advice == "Stop and wipe the lens; the car drives on."


def test_the_versions_and_the_calibration_are_in_the_row(
    make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, events: Any, calibration: Any, bundle: Any
) -> None:
    part = make_part()
    drive(part, 2 * clear_frames + wet_frames)
    part.shutdown()
    (event,) = events()
    versions = json.loads(event.versions)
    assert versions["mle_uvad"] == __version__
    assert versions["onnxruntime"] == onnxruntime.__version__
    assert versions["numpy"] == np.__version__
    assert versions["python"].startswith("3.")
    assert (event.model_sha256, event.calibrated_at) == (bundle.sha256, calibration.created_at)


def test_the_worst_moment_has_snapshots_of_its_own(
    make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, events: Any, tmp_path: Path
) -> None:
    part = make_part()
    drive(part, 2 * clear_frames + 3 * wet_frames)
    part.shutdown()
    (event,) = events()
    assert event.worst_picture == "lens_events/000001_worst.jpg"
    shown = [
        np.asarray(Image.open(tmp_path / "logs" / name)).astype(int)
        for name in (event.heat_map, event.worst_heat_map, event.worst_picture)
    ]
    assert shown[1].mean() > shown[0].mean(), "the worst moment is no worse than the onset"
    assert min(np.abs(shown[2] - frame).mean() for frame in wet_frames) < 6


def test_a_wiped_lens_is_classified_as_wiped(
    make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, events: Any
) -> None:
    part = make_part()
    drive(part, 2 * clear_frames + 2 * wet_frames + 5 * clear_frames)
    part.shutdown()
    (event,) = events()
    assert (event.state, event.level, event.cleared_by) == ("ended", "OK", "wiped")


def test_the_cars_settings_reach_the_event(
    bundle_folder: Path, calibration: Any, tmp_path: Path, clear_frames: Any, wet_frames: Any
) -> None:
    calibration.save(bundle_folder / "calibration.json")
    settings = SimpleNamespace(
        CAR_PATH=str(tmp_path), LENS_BUNDLE=str(bundle_folder), LENS_ACTION="stop", LENS_PICTURES_MB=7
    )
    part = MLEAnomalyPart.from_config(settings)
    now_s = iter(np.arange(0, 100, 0.05))
    part._clock = lambda: float(next(now_s))
    assert part._log._snapshots._budget == 7e6
    for frame in 2 * clear_frames + 2 * wet_frames:
        part.run(frame)
    part.shutdown()
    (event,) = read_events(tmp_path / "logs" / "lens_events.db")
    assert event.advice.endswith("wipe the lens; the autopilot stands until then.")
