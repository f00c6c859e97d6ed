"""The LENS_ keys of myconfig.py."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mle_uvad.edge import InputError
from mle_uvad.parts.config import LensConfig


def test_the_defaults_lie_in_the_car(tmp_path: Path) -> None:
    config = LensConfig.read(SimpleNamespace(CAR_PATH=str(tmp_path), DRIVE_LOOP_HZ=20))
    assert config.bundle == tmp_path / "models/lens"
    assert config.calibration == tmp_path / "models/lens/calibration.json"
    assert config.event_log == tmp_path / "logs/lens_events.db"


def test_absolute_paths_stay_and_the_calibration_follows_the_bundle(tmp_path: Path) -> None:
    config = LensConfig.read(SimpleNamespace(CAR_PATH="car", LENS_BUNDLE=tmp_path, LENS_EVENT_LOG="elsewhere.db"))
    assert config.bundle == tmp_path
    assert config.calibration == tmp_path / "calibration.json"
    assert config.event_log == Path("car/elsewhere.db")


def test_an_unknown_key_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(InputError, match=r"LENS_BUNDEL, which is unknown; did you mean LENS_BUNDLE\?"):
        LensConfig.read(SimpleNamespace(LENS_BUNDEL="models/lens"))


@pytest.mark.parametrize("value", [None, 3, True, ["models"]])
def test_a_value_that_is_no_path_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"LENS_BUNDLE is .* give a path"):
        LensConfig.read(SimpleNamespace(LENS_BUNDLE=value))


def test_the_response_to_an_obscured_lens_is_a_warning_by_default() -> None:
    assert LensConfig.read(SimpleNamespace()).action == "warn"
    assert LensConfig.read(SimpleNamespace()).slow_throttle == 0.5
    config = LensConfig.read(SimpleNamespace(LENS_ACTION="slow", LENS_SLOW_THROTTLE=0))
    assert (config.action, config.slow_throttle) == ("slow", 0.0)


@pytest.mark.parametrize("value", ["Stop", "brake", None, True, ["slow"]])
def test_an_unknown_action_is_refused_with_the_list_of_actions(value: object) -> None:
    with pytest.raises(InputError, match=r"LENS_ACTION is .*; choose one of none, warn, slow, stop$"):
        LensConfig.read(SimpleNamespace(LENS_ACTION=value))


@pytest.mark.parametrize("value", [-0.1, 1.01, float("nan"), float("inf"), "0.5", True, None, [0.5]])
def test_the_factor_on_the_throttle_is_a_number_from_0_to_1(value: object) -> None:
    with pytest.raises(InputError, match=r"LENS_SLOW_THROTTLE is .*; give a number from 0 to 1"):
        LensConfig.read(SimpleNamespace(LENS_SLOW_THROTTLE=value))


@pytest.mark.parametrize("value", ["False", 0, 1, None])
def test_the_page_is_on_or_off(value: object) -> None:
    with pytest.raises(InputError, match=r"LENS_PAGE is .*; give True or False"):
        LensConfig.read(SimpleNamespace(LENS_PAGE=value))
    assert LensConfig.read(SimpleNamespace()).page
    assert not LensConfig.read(SimpleNamespace(LENS_PAGE=False)).page


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "200", True, None])
def test_the_space_for_snapshots_is_a_number_above_0(value: object) -> None:
    with pytest.raises(InputError, match=r"LENS_PICTURES_MB is .*; give a number above 0"):
        LensConfig.read(SimpleNamespace(LENS_PICTURES_MB=value))
    assert LensConfig.read(SimpleNamespace()).pictures_mb == 200
    assert LensConfig.read(SimpleNamespace(LENS_PICTURES_MB=0.5)).pictures_mb == 0.5


def test_the_button_and_the_rate_of_a_calibration_while_driving() -> None:
    config = LensConfig.read(SimpleNamespace())
    assert (config.calibrate_button, config.false_alarms_per_hour) == ("web/w1", 1.0)
    config = LensConfig.read(SimpleNamespace(LENS_CALIBRATE_BUTTON="web/w5", LENS_FALSE_ALARMS_PER_HOUR=2))
    assert (config.calibrate_button, config.false_alarms_per_hour) == ("web/w5", 2.0)
    assert LensConfig.read(SimpleNamespace(LENS_CALIBRATE_BUTTON="")).calibrate_button == "", "no button"
    for value in (None, 0, 1, ["web/w1"]):
        with pytest.raises(InputError, match=r"LENS_CALIBRATE_BUTTON is .*; give a channel"):
            LensConfig.read(SimpleNamespace(LENS_CALIBRATE_BUTTON=value))
    for rate in ("1", None, True, 0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="give "):
            LensConfig.read(SimpleNamespace(LENS_FALSE_ALARMS_PER_HOUR=rate))


@pytest.mark.parametrize("car", [5, None, b"mycar", ["mycar"]])
def test_a_car_path_that_is_no_path_is_refused_in_one_line(car: Any) -> None:
    with pytest.raises(InputError, match="CAR_PATH is"):
        LensConfig.read(SimpleNamespace(CAR_PATH=car))
