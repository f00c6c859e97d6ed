"""The part as the drive loop sees it."""

import logging
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge import Bundle, InputError
from mle_uvad.edge.backends import open_scorer
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.anomaly import STALE_AFTER_S
from mle_uvad.parts.events.event import read_events

BAD_FRAMES = {
    "none": (None, "no_frame"),
    "0-d": (np.asarray(None), "no_frame"),
    "text": ("frame", "no_frame"),
    "float": (np.zeros((120, 160, 3), np.float32), "error"),
    "other size": (np.zeros((240, 320, 3), np.uint8), "error"),
    "four channels": (np.zeros((120, 160, 4), np.uint8), "error"),
    "empty": (np.zeros((0, 160, 3), np.uint8), "error"),
    "black": (np.zeros((120, 160, 3), np.uint8), "dark"),
    "flat": (np.full((120, 160, 3), 130, np.uint8), "flat"),
}


def check_types(outputs: Any) -> None:
    """Check that all but the map are plain Python values and none is NaN, so that the tub and MQTT can take them."""
    pcc, obscured, coverage, event_id, status, calibration, heat_map = outputs
    assert type(calibration) is str
    assert heat_map is None or heat_map.shape == (20, 20)
    assert pcc is None or (type(pcc) is float and -1 <= pcc <= 1)
    assert (type(obscured), type(coverage), type(event_id), type(status)) == (bool, float, int, str)
    assert 0 <= coverage <= 1
    assert math.isfinite(coverage)
    assert obscured == (event_id > 0)


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_gives_a_status_and_nothing_else(name: str, make_part: Any, clear_frames: Any, drive: Any) -> None:
    frame, status = BAD_FRAMES[name]
    part = make_part()
    for said in drive(part, [frame, *clear_frames[:2], frame, frame]):
        check_types(said)
    assert part.run(frame)[4] == status
    assert part.run(frame)[0] is None
    assert drive(part, clear_frames[:1])[0][0] is not None, "no PCC once frames are good again"


def test_a_wet_lens_is_one_event_from_onset_to_wipe(
    make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, tmp_path: Path
) -> None:
    part = make_part()
    said = drive(part, 2 * clear_frames + 2 * wet_frames + 3 * clear_frames)
    for values in said:
        check_types(values)
    obscured = [values[1] for values in said]
    assert not any(obscured[:120]), "false alarm on the calibrated scene"
    onset = obscured.index(True)
    assert 120 < onset < 180, f"flagged {(onset - 120) / 20:.1f} s after the drop fell"
    assert all(values[4] == "obscured" for values in said[onset:240])
    # The clean scene peaks at 0.9 of its threshold, above the 0.8 below which an alarm clears: it may take a lap more.
    assert not any(obscured[340:]), "still obscured five seconds after the wipe"
    part.shutdown()
    (event,) = read_events(tmp_path / "logs" / "lens.db")
    assert (event.id, event.state) == (1, "ended")
    assert event.duration_s == pytest.approx(sum(obscured) / 20, abs=0.06)
    assert event.peak_evidence > 1
    assert event.frames == sum(obscured)
    assert event.peak_coverage >= max(values[2] for values in said[onset:240])


def test_event_numbers_continue_after_a_restart(
    make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, tmp_path: Path
) -> None:
    for expected in (1, 2):
        part = make_part()
        said = drive(part, clear_frames + wet_frames)
        assert said[-1][3] == expected
        part.shutdown()
    events = read_events(tmp_path / "logs" / "lens.db")
    assert [event.id for event in events] == [1, 2]
    assert events[0].drive != events[1].drive


@pytest.mark.parametrize("fault", ["missing", "torn", "of another model"])
def test_without_a_calibration_that_fits_it_shows_the_score_and_raises_nothing(
    fault: str, make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, tmp_path: Path, caplog: Any
) -> None:
    path = tmp_path / "calibration.json"
    text = path.read_text()
    if fault == "missing":
        path.unlink()
    else:
        path.write_text(text[:-40] if fault == "torn" else text.replace('"model_sha256": "', '"model_sha256": "0'))
    part = make_part()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "mle-uvad calibrate" in caplog.text
    said = drive(part, clear_frames + wet_frames)
    assert {values[4] for values in said} == {"uncalibrated"}
    assert not any(values[1] for values in said)
    assert all(values[0] is not None for values in said)


def test_a_bad_bundle_raises_before_the_car_moves(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bundle"):
        MLEAnomalyPart(tmp_path / "nothing", tmp_path / "c.json", tmp_path / "l.db")
    assert not (tmp_path / "l.db").exists()


def test_a_log_that_cannot_be_opened_raises_before_the_car_moves(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="LENS_EVENT_LOG"):
        MLEAnomalyPart(bundle.folder, tmp_path / "c.json", tmp_path / "file" / "l.db")


def test_frames_are_read_only_to_it(make_part: Any, clear_frames: Any, drive: Any) -> None:
    frame = clear_frames[0].copy()
    before = frame.copy()
    frame.flags.writeable = False
    drive(make_part(), [frame])
    assert (frame == before).all()


@pytest.mark.parametrize(
    "wrong", [{"action": "brake"}, {"action": None}, {"false_alarms_per_hour": 0}, {"false_alarms_per_hour": "1"}]
)
def test_a_wrong_setting_is_refused_before_the_car_moves(wrong: Any, bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"choose one of|give "):
        MLEAnomalyPart(bundle.folder, tmp_path / "calibration.json", tmp_path / "lens.db", **wrong)
    assert not list(tmp_path.iterdir()), "a log was begun"


def test_whatever_goes_wrong_inside_is_a_status_and_one_line(
    make_part: Any, clear_frames: Any, drive: Any, caplog: Any, monkeypatch: Any
) -> None:
    part = make_part()

    def fail(*_: object) -> None:
        raise RuntimeError("the evidence broke")

    monkeypatch.setattr(part.monitor.evidence, "update", fail)
    with caplog.at_level(logging.WARNING):
        said = drive(part, 5 * clear_frames)  # 15 s
    assert {values[4] for values in said} == {"error"}
    assert caplog.text.count("the evidence broke") == 1, "a line a frame fills the disk"


def test_the_worker_publishes_values_and_stops(make_part: Any, clear_frames: Any, clock: Any, bundle: Bundle) -> None:
    expected = {open_scorer(bundle).score(frame, 0.0).pcc for frame in clear_frames[:2]}
    part = make_part()
    assert part.run_threaded(None)[4] == "warmup"
    worker = threading.Thread(target=part.update)
    worker.start()
    for number in range(100_000):
        clock.now_s += 1e-5
        said = part.run_threaded(clear_frames[number % 2])
        check_types(said)
        if said[0] is not None:
            break
    assert said[0] in expected
    part.shutdown()
    part.shutdown()
    worker.join(timeout=5)
    assert not worker.is_alive()


def test_warnings_are_rare_even_when_they_alternate(make_part: Any, drive: Any, caplog: Any) -> None:
    drive(make_part(), 100 * [None, np.zeros((3, 3, 3), np.uint8)])  # 10 s
    assert len(caplog.records) == 2


def test_without_a_worker_the_values_become_stale(make_part: Any, clear_frames: Any, clock: Any) -> None:
    part = make_part()
    clock.now_s += 60  # the camera and the motors take their time
    part.run_threaded(clear_frames[0])
    clock.now_s += 0.9 * STALE_AFTER_S
    assert part.run_threaded(clear_frames[1])[4] == "warmup"
    clock.now_s += 0.2 * STALE_AFTER_S
    assert part.run_threaded(clear_frames[2]) == (None, False, 0.0, 0, "stale", "", None)


def test_an_event_keeps_the_clean_frame_and_a_heat_map(
    make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, tmp_path: Path
) -> None:
    from PIL import Image

    part = make_part()
    drive(part, clear_frames + wet_frames)
    part.shutdown()
    (event,) = read_events(tmp_path / "logs" / "lens.db")
    with Image.open(tmp_path / "logs" / event.picture) as image:
        kept = np.asarray(image).astype(int)
    assert min(np.abs(kept - frame).mean() for frame in wet_frames) < 6
    with Image.open(tmp_path / "logs" / event.heat_map) as heat_map:
        heat = np.asarray(heat_map)
    assert heat.shape == kept.shape[:2]
    assert heat[:, :70].mean() > 2 * heat[:, 90:].mean(), "the heat is not where the drop is"


def test_the_vehicle_can_add_it(make_part: Callable[..., MLEAnomalyPart]) -> None:
    part = make_part()
    assert hash(part) == hash(part)
    assert type(part.outputs) is list
    assert len(part.outputs) == len(part.run(None)) == 7
