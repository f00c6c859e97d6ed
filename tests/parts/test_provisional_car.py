"""A part without a calibration, with a bundle of many cars: it makes provisional thresholds from its drive."""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driven_car import DRIVE_S, LAP, Car, Frame
from hand_made import moving_frames
from PIL import Image, ImageFilter

from mle_uvad.calibration import provisional
from mle_uvad.calibration.session import IDLE_MAX_S, REFERENCE_PHASE_S
from mle_uvad.edge.bundle import FACTS_FILE, Bundle
from mle_uvad.edge.evidence import Thresholds

# Log odds that no clean lens should reach: the scene of these drives comes close to what ships.
EXCESS, STANDING_ODDS = (6.0, 5.0), 6.0


@pytest.fixture
def car(shipped_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Car]:
    monkeypatch.setattr(provisional, "STANDING_ODDS_MAX", STANDING_ODDS)
    folder = Path(shutil.copytree(shipped_bundle.folder, tmp_path / "lens"))
    facts = json.loads((folder / FACTS_FILE).read_text())
    (folder / FACTS_FILE).write_text(json.dumps(facts | {"uncalibrated_excess": EXCESS}))
    car = Car(folder, tmp_path, moving_frames(2 * LAP))
    yield car
    car.part.shutdown()


def blurred(frame: Frame) -> Frame:
    """The frame through a large drop."""
    image, drop = Image.fromarray(frame), (30, 20, 100, 90)
    image.paste(image.filter(ImageFilter.GaussianBlur(6)).crop(drop), drop)
    return np.asarray(image)


def in_force(car: Car) -> Thresholds:
    thresholds = car.part.monitor.evidence.thresholds
    assert thresholds is not None
    return thresholds


def is_for_any_car(thresholds: Thresholds) -> bool:
    return thresholds.excess == EXCESS and not thresholds.baseline.any()


def test_after_two_minutes_it_detects_what_it_did_not(car: Car, caplog: Any) -> None:
    clear = car.frames
    with_drop = [blurred(frame) for frame in clear]
    car.drive(10)
    car.frames = with_drop
    assert car.drive(15)[-1][4] == "uncalibrated", "too weak for the thresholds that are for any car"
    car.frames = clear
    with caplog.at_level(logging.INFO):
        said = car.drive(DRIVE_S + 25)
    assert {values[4] for values in said} <= {"warmup", "uncalibrated"}, "nobody said that the lens was clean"
    assert {values[5] for values in said} == {""}
    assert caplog.text.count("thresholds from this drive") == 1
    assert not is_for_any_car(in_force(car))
    assert not car.file.exists()
    assert not any(values[1] for values in said)
    car.frames = with_drop
    assert car.drive(15)[-1][4] == "obscured"
    car.frames = clear
    assert car.drive(10)[-1][4] == "uncalibrated"
    state = car.part._live_state()
    assert (state["calibration"], state["progress"]) == ("Not calibrated; it goes by this drive.", None)


@pytest.mark.parametrize("driven_s", [10.0, REFERENCE_PHASE_S + 20, DRIVE_S + 10])
def test_the_button_calibrates_as_ever(car: Car, driven_s: float) -> None:
    car.drive(driven_s)
    said = car.drive(DRIVE_S + 5, press=True)
    assert said[2][5].startswith("calibrating ")
    assert said[-1][5] == "lens calibrated"
    assert said[-1][4] == "ok"
    assert car.file.exists()


def test_after_a_refused_calibration_it_begins_again(car: Car) -> None:
    car.drive(DRIVE_S + 10)
    car.drive(REFERENCE_PHASE_S + 5, press=True)
    said = car.drive(IDLE_MAX_S + 2, still=True)
    assert said[-1][5].startswith("not calibrated: ")
    assert is_for_any_car(in_force(car))
    car.drive(DRIVE_S + 10)
    assert not is_for_any_car(in_force(car))


def test_the_next_run_begins_anew(car: Car, tmp_path: Path) -> None:
    car.drive(DRIVE_S + 10)
    car.part.shutdown()
    again = Car(tmp_path / "lens", tmp_path, car.frames)
    again.drive(5)
    assert is_for_any_car(in_force(again))
    again.part.shutdown()
