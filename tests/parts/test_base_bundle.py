"""The bundle that ships with the package: it loads, goes to a car that has none, and raises events uncalibrated."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.monitor import Monitor
from mle_uvad.parts.install.base_bundle import FILES, install_base_bundle
from mle_uvad.parts.install.car_config import read_car_config

HZ = 20.0


@pytest.fixture
def car(tmp_path: Path) -> Callable[[str], Path]:
    """`car(myconfig)` makes the folder of a car with a stock camera."""

    def make(myconfig: str = "") -> Path:
        (tmp_path / "config.py").write_text("IMAGE_W = 160\nIMAGE_H = 120\n")
        (tmp_path / "myconfig.py").write_text(myconfig)
        return tmp_path

    return make


def test_a_car_without_a_bundle_gets_the_one_that_ships(car: Any) -> None:
    folder = car()
    assert "the bundle of many cars is in" in install_base_bundle(read_car_config(folder))
    target = folder / "models" / "lens"
    assert sorted(path.name for path in target.iterdir()) == sorted(FILES)
    assert (Bundle.load(target).width, Bundle.load(target).height) == (160, 120)
    assert [path.name for path in target.parent.iterdir()] == ["lens"], "no draft is left"


def test_a_car_keeps_the_bundle_it_has(car: Any) -> None:
    folder = car('LENS_BUNDLE = "models/mine"\n')
    (folder / "models" / "mine").mkdir(parents=True)
    assert install_base_bundle(read_car_config(folder)) == ""
    assert list((folder / "models" / "mine").iterdir()) == []


def test_another_camera_size_is_named_and_nothing_is_copied(car: Any) -> None:
    folder = car("IMAGE_W = 224\nIMAGE_H = 224\n")
    line = install_base_bundle(read_car_config(folder))
    assert "160x120" in line
    assert "224x224" in line
    assert "mle-uvad train" in line
    assert not (folder / "models").exists()


def test_a_folder_that_cannot_be_written_is_one_line(car: Any) -> None:
    folder = car()
    (folder / "models").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot be written"):
        install_base_bundle(read_car_config(folder))


def textured(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Frames of a camera that pans over a scene with edges of several sizes."""
    scene = np.kron(rng.integers(40, 216, (30, 120, 1)), np.ones((8, 8, 3))).astype(np.float32)
    scene[::2, ::2] += 20
    frames = []
    for number in range(count):
        view = scene[40 : 40 + 120, (5 * number) % 700 :][:, :160]
        frames.append((view + rng.normal(0, 2, (120, 160, 1))).clip(0, 255).astype(np.uint8))
    return frames


def test_without_a_calibration_a_large_spot_of_mud_is_an_event_and_a_clear_lens_is_none(
    rng: np.random.Generator,
) -> None:
    monitor = Monitor(open_scorer(Bundle.load(Path(str(files("mle_uvad") / "base")))), None)
    clear = textured(rng, 200)
    readings = [monitor.update(frame, number / HZ) for number, frame in enumerate(clear)]
    assert {reading.alarm.status for reading in readings[100:]} == {"uncalibrated"}
    assert not any(reading.alarm.obscured for reading in readings)
    assert readings[-1].evidence.map is not None
    rows, columns = np.nonzero(np.hypot(np.arange(120)[:, None] - 60, np.arange(160) - 75) < 34)
    for frame in (wet := textured(rng, 160)):
        frame[rows, columns] = 40
    spotted = [monitor.update(frame, (200 + number) / HZ) for number, frame in enumerate(wet)]
    assert spotted[-1].alarm.status == "obscured"
    heat = spotted[-1].evidence.map
    assert heat is not None
    assert heat[6:14, 6:13].mean() > 2 * heat[:, 15:].mean()
