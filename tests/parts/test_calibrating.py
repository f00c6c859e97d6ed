"""Calibration while driving: in donkeycar's own Vehicle, fed by a tub; and the part's button, file and command."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from driven_car import DRIVE_S, HZ, LAP, Car
from hand_made import moving_frames
from numpy.typing import NDArray

from mle_uvad.calibration import Calibration
from mle_uvad.calibration.blocks import BLOCKS_MIN
from mle_uvad.calibration.session import IDLE_MAX_S, REFERENCE_PHASE_S, THRESHOLD_PHASE_S
from mle_uvad.edge import Bundle, InputError
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.calibration_request import (
    READ_EVERY_S,
    REPLY_FILE,
    REPLY_WITHIN_S,
    REQUEST_FILE,
    request_calibration,
)

Frame = NDArray[np.uint8]


@pytest.fixture(scope="module")
def lap() -> list[Frame]:
    return moving_frames(2 * LAP)


@pytest.fixture
def car(bundle: Bundle, tmp_path: Path, lap: list[Frame]) -> Iterator[Car]:
    if (bundle.height, bundle.width) != (120, 160):
        pytest.skip(f"the frames of this test are 160x120, the bundle given takes {bundle.width}x{bundle.height}")
    car = Car(bundle.folder, tmp_path, lap)
    yield car
    car.part.shutdown()


@pytest.fixture
def calibrated_car(car: Car, bundle: Bundle, tmp_path: Path, lap: list[Frame]) -> Iterator[Car]:
    """The next run of a car that was calibrated."""
    car.drive(DRIVE_S + 10, press=True)
    car.part.shutdown()
    again = Car(bundle.folder, tmp_path, lap)
    yield again
    again.part.shutdown()


class Replayed:
    """Gives the frames of a tub, moves the clock, and presses the web page's first button in one loop."""

    def __init__(self, tub: Path, press_in_loop: int) -> None:
        self.frames = Tub(tub).frames()
        self.press_in_loop = press_in_loop
        self.loop, self.now_s = 0, 0.0

    def run(self) -> tuple[Frame, bool]:
        record, frame = next(self.frames)
        self.loop, self.now_s = self.loop + 1, record.timestamp_ms / 1000
        return frame, self.loop == self.press_in_loop


class Notebook:
    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def run(self, *values: Any) -> None:
        self.said.append(values)


def test_the_drive_in_a_vehicle(
    bundle: Bundle, tmp_path: Path, make_tub: Callable[..., Path], lap: list[Frame], caplog: Any
) -> None:
    if find_spec("donkeycar") is None:
        pytest.skip("needs donkeycar: pip install 'mle_uvad[donkeycar]'")
    from donkeycar.vehicle import Vehicle

    count, press = round((DRIVE_S + 20) * HZ), 40
    tub = make_tub([lap[number % len(lap)] for number in range(count)], hz=HZ)
    camera = Replayed(tub, press)
    cfg = SimpleNamespace(CAR_PATH=str(tmp_path), LENS_BUNDLE=str(bundle.folder), LENS_CALIBRATION="made.json")
    part = MLEAnomalyPart.from_config(cfg)
    part._clock = lambda: camera.now_s
    assert part.inputs == ["cam/image_array", "web/w1"]
    vehicle, notebook = Vehicle(), Notebook()
    vehicle.add(camera, outputs=["cam/image_array", "web/w1"])
    vehicle.add(part, inputs=part.inputs, outputs=part.outputs)
    vehicle.add(notebook, inputs=part.outputs)
    with caplog.at_level(logging.WARNING):
        vehicle.start(rate_hz=10_000, max_loop_count=count)
    statuses, messages = [said[4] for said in notebook.said], [said[5] for said in notebook.said]
    assert len(statuses) == count
    assert set(messages[: press - 1]) == {""}
    percent = [int(text.split()[1]) for text in messages if text.startswith("calibrating ")]
    assert percent == sorted(percent)
    assert (percent[0], percent[-1]) == (0, 100)
    assert len(percent) == pytest.approx(DRIVE_S * HZ, abs=3)
    assert [text for text in dict.fromkeys(messages) if not text.startswith("calibrating")] == ["", "lens calibrated"]
    assert messages[-1] == "", "the message lasts for ten seconds"
    assert [status for status in dict.fromkeys(statuses) if status != "warmup"] == ["uncalibrated", "calibrating", "ok"]
    assert statuses.count("calibrating") == pytest.approx(THRESHOLD_PHASE_S * HZ, abs=3)
    assert statuses[-1] == "ok", "it takes effect without a restart"
    assert caplog.text.count("lens calibrated") == 1
    made = Calibration.load(tmp_path / "made.json")
    assert made.mismatch(bundle, "ort") == ""
    assert made.duration_s == pytest.approx(DRIVE_S, abs=0.3)
    assert made.frames == pytest.approx(DRIVE_S * HZ, abs=3)
    assert made.thresholds.judges_cells
    assert made.maxima.shape[1] >= BLOCKS_MIN, "another rate needs no new drive"


def test_the_next_run_starts_calibrated_and_detects_a_smear(calibrated_car: Car) -> None:
    said = calibrated_car.drive(60)
    assert {values[4] for values in said} == {"warmup", "ok"}
    calibrated_car.frames = [(frame // 6 + 100).astype(np.uint8) for frame in calibrated_car.frames]
    assert calibrated_car.drive(10)[-1][4] == "obscured"


def test_a_second_press_cancels_and_the_thresholds_in_force_stay(calibrated_car: Car) -> None:
    before = calibrated_car.file.read_bytes()
    for seconds in (10, REFERENCE_PHASE_S + 10):
        during = calibrated_car.drive(seconds, press=True)
        assert during[-1][5].startswith("calibrating ")
        assert during[-1][4] == ("ok" if seconds < REFERENCE_PHASE_S else "calibrating")
        after = calibrated_car.drive(15, press=True)
        assert after[0][5] == "calibration cancelled"
        assert (after[-1][4], after[-1][5]) == ("ok", "")
    assert calibrated_car.file.read_bytes() == before


def test_a_button_that_is_held_is_one_press(car: Car) -> None:
    for _ in range(20):
        message = car.drive(1 / HZ, press=True)[-1][5]
        assert message.startswith("calibrating ")
    for odd in (None, "x", np.ones(3), 0):
        car.part.run(car.frames[0], odd)


def test_a_standing_car_is_refused_in_one_line(car: Car, caplog: Any) -> None:
    car.drive(5)
    with caplog.at_level(logging.WARNING):
        said = car.drive(IDLE_MAX_S + 5, press=True, still=True)
    messages = {values[5] for values in said if values[5].startswith("not calibrated")}
    assert messages == {"not calibrated: the car stood for 90 s, at 2%; calibrate while driving"}
    assert caplog.text.count("the car stood") == 1
    assert not car.file.exists()
    assert car.drive(10)[-1][4] == "uncalibrated"


def test_an_obscured_lens_is_refused_and_keeps_its_alarm(calibrated_car: Car) -> None:
    calibrated_car.drive(40)
    calibrated_car.frames = [(frame // 6 + 100).astype(np.uint8) for frame in calibrated_car.frames]
    calibrated_car.drive(5)
    said = calibrated_car.drive(REFERENCE_PHASE_S + 2, press=True)
    assert {values[4] for values in said} == {"obscured"}
    assert said[-1][5].startswith("not calibrated: by the thresholds in force, the lens is obscured; wipe the lens")


def test_another_light_is_logged_once_raises_no_event_and_is_what_calibration_is_for(
    calibrated_car: Car, caplog: Any
) -> None:
    clear = calibrated_car.frames
    assert {values[4] for values in calibrated_car.drive(40)} == {"warmup", "ok"}
    harder = [(frame.astype(float) - 120) * 1.8 + 120 for frame in clear]
    calibrated_car.frames = [frame.clip(0, 255).astype(np.uint8) for frame in harder]
    said = calibrated_car.drive(60)
    assert said[-1][4] == "drifting"
    calibrated_car.drive(3, still=True)
    said += calibrated_car.drive(10)
    assert {values[4] for values in said[-10:]} == {"drifting"}
    assert caplog.text.count("the whole scene is unlike the calibration's; wipe the lens, then calibrate again") == 1
    assert not any(values[1] for values in said)
    after = calibrated_car.drive(DRIVE_S + 20, press=True)
    assert after[-1][4] == "ok"
    assert caplog.text.count("unlike the calibration's") == 1
    assert [text for text in dict.fromkeys(values[5] for values in after) if "%" not in text] == ["lens calibrated", ""]


def test_a_refused_drive_can_be_driven_again(car: Car) -> None:
    assert car.drive(IDLE_MAX_S + 1, press=True, still=True)[-1][5].startswith("not calibrated: ")
    assert car.drive(DRIVE_S + 5, press=True)[-1][5] == "lens calibrated"


def test_a_cancelled_drive_of_an_uncalibrated_car_leaves_it_so(car: Car) -> None:
    for seconds in (5, REFERENCE_PHASE_S + 10):
        car.drive(seconds, press=True)
        after = car.drive(5, press=True)
        assert (after[0][5], after[-1][4]) == ("calibration cancelled", "uncalibrated")
    assert not car.file.exists()


def test_a_disk_that_refuses_is_reported_and_the_thresholds_are_in_force(car: Car, caplog: Any) -> None:
    car.file.mkdir()  # in the way; a write-protected folder would not stop root
    said = car.drive(DRIVE_S + 8, press=True)
    assert said[-1][4] == "ok"
    assert said[-1][5] == "lens calibrated"
    assert "lens calibrated; it holds until the program ends" in caplog.text


def test_the_worker_of_a_threaded_part_handles_the_button(car: Car) -> None:
    worker = threading.Thread(target=car.part.update)
    worker.start()
    for number in range(100_000):
        car.now_s += 1e-4
        said = car.part.run_threaded(car.frames[number % LAP], number == 0)
        if said[5]:
            break
    assert said[5] == "calibrating 0 %"
    car.part.shutdown()
    worker.join(timeout=5)
    assert not worker.is_alive()
    assert "too short" in car.part.run_threaded(None)[5]


def test_a_command_starts_it_and_follows(car: Car) -> None:
    car.drive(2)
    folder = car.file.parent
    replies = list(request_calibration(folder, lambda: car.now_s, car.drive_on))
    assert [reply.state for reply in replies] == [*["collecting"] * (len(replies) - 1), "calibrated"]
    progress = [reply.progress for reply in replies]
    assert progress == sorted(progress)
    assert len(progress) == pytest.approx(DRIVE_S, abs=4), "a reply a second"
    assert progress[-1] == 1
    assert car.file.exists()
    assert not (folder / REQUEST_FILE).exists()
    assert {path.name for path in folder.iterdir() if "calibrate." in path.name} == {REPLY_FILE}


def test_a_command_joins_a_calibration_under_way_and_hears_of_its_end(car: Car) -> None:
    car.drive(20, press=True)
    replies = request_calibration(car.file.parent, lambda: car.now_s, car.drive_on)
    assert next(replies).progress == pytest.approx(20 / DRIVE_S, abs=0.05)
    car.drive(1, press=True)
    assert [reply.state for reply in replies] == ["cancelled"]


def test_a_command_without_a_car(car: Car) -> None:
    now_s = [0.0]

    def sleep(seconds: float) -> None:
        now_s[0] += seconds

    folder = car.file.parent
    (folder / REPLY_FILE).write_text(json.dumps({"token": "another", "state": "calibrated"}))
    with pytest.raises(InputError, match=r"no car answers in .*; start it: python manage.py drive"):
        list(request_calibration(folder, lambda: now_s[0], sleep))
    assert REPLY_WITHIN_S < now_s[0] <= REPLY_WITHIN_S + 2 * READ_EVERY_S
    assert not (folder / REQUEST_FILE).exists(), "the next run would calibrate unasked"


def test_a_car_that_dies_on_the_way(car: Car) -> None:
    running = [True]

    def sleep(seconds: float) -> None:
        car.now_s += 0 if running[0] else seconds
        if running[0]:
            car.drive(seconds)

    replies = request_calibration(car.file.parent, lambda: car.now_s, sleep)
    next(replies)
    running[0] = False
    with pytest.raises(InputError, match=r"the car no longer answers, at [01]%; nothing was changed"):
        list(replies)


def test_a_request_that_is_still_empty_is_left_until_it_is_written(car: Car, tmp_path: Path) -> None:
    car.drive(2)
    (tmp_path / REQUEST_FILE).touch()
    assert {values[5] for values in car.drive(3)} == {""}
    (tmp_path / REQUEST_FILE).write_text("token")
    car.drive(2)
    assert json.loads((tmp_path / REPLY_FILE).read_text())["token"] == "token"


def test_a_request_from_before_the_car_ran_is_dropped(bundle: Bundle, tmp_path: Path, lap: list[Frame]) -> None:
    (tmp_path / REQUEST_FILE).write_text("old")
    car = Car(bundle.folder, tmp_path, lap)
    assert {values[5] for values in car.drive(3)} == {""}
    assert not (tmp_path / REQUEST_FILE).exists()
    car.part.shutdown()
