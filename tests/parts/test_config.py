"""The LENS_ keys of myconfig.py."""

from pathlib import Path
from types import SimpleNamespace

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
