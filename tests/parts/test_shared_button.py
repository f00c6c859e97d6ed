"""The button of the calibration: whether manage.py or the configuration already use it for something else."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from mle_uvad.calibration import Calibration
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.config import LensConfig
from mle_uvad.parts.install.button import shared_button
from mle_uvad.parts.install.car_config import read_car_config
from mle_uvad.parts.install.manage_py import ManagePy

STOCK = '    V.add(Lambda(lambda v: print(f"web/w1 clicked")), inputs=["web/w1"], run_condition="web/w1")\n'
STOCK_5_0 = '    V.add(Lambda(lambda v: logger.info(f"web/w1 clicked")), inputs=["web/w1"], run_condition="web/w1")\n'


def problem(car: Path, line: str, settings: str = "") -> str:
    manage = car / "manage.py"
    manage.write_text(manage.read_text().replace("    class LedConditionLogic", f"{line}    class LedConditionLogic"))
    (car / "myconfig.py").write_text(settings)
    config = read_car_config(car)
    return shared_button(ManagePy.read(car), config, LensConfig.read(config.as_cfg()))


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        (STOCK, ""),
        (STOCK_5_0, ""),
        ("    V.add(explode, inputs=['web/buttons'], outputs=['web/w1'])\n", ""),
        (STOCK.replace('print(f"web/w1 clicked")', "headlight.toggle()"), "LENS_CALIBRATE_BUTTON = 'web/w2'"),
        (STOCK.replace('print(f"web/w1 clicked")', "headlight.toggle()"), "LENS_CALIBRATE_BUTTON = ''"),
        ("", "SAVE_PATH_BTN = 'web/w2'"),
        ("    V.add(MLEAnomalyPart.from_config(cfg), inputs=['cam/image_array', 'web/w1'])\n", ""),
    ],
)
def test_a_button_for_the_calibration_alone_is_fine(line: str, settings: str, stand_in_car: Path) -> None:
    assert problem(stand_in_car, line, settings) == ""


@pytest.mark.parametrize(
    ("line", "settings", "use"),
    [
        (STOCK.replace('print(f"web/w1 clicked")', "headlight.toggle()"), "", "line 11 of manage.py"),
        ("    V.add(Horn(), run_condition='web/w1')\n", "", "line 11 of manage.py"),
        ("    V.add(Horn(), ['web/w1'])\n", "", "line 11 of manage.py"),
        ("    shown = ['web/w1']\n    V.add(Shown(), inputs=shown)\n", "", "line 11 of manage.py"),
        ("    V.add(Horn(), run_condition='web/w3')\n", "LENS_CALIBRATE_BUTTON = 'web/w3'", "line 11 of manage.py"),
        ("", "SAVE_PATH_BTN = 'web/w1'", "SAVE_PATH_BTN"),
        ("    V.add(Horn(), run_condition=cfg.HORN)\n", "HORN = 'web/w1'", "HORN"),
    ],
)
def test_another_use_is_found(line: str, settings: str, use: str, stand_in_car: Path) -> None:
    said = problem(stand_in_car, line, settings)
    assert f"already does something else ({use}), and each press would also start or cancel a calibration" in said
    free = "'web/w1'" if "web/w3" in line else "'web/w2'"
    assert f'; set LENS_CALIBRATE_BUTTON = {free} in myconfig.py, or "" for no button' in said


def test_a_part_without_a_button_takes_the_frame_alone(bundle_folder: Path, calibration: Calibration) -> None:
    calibration.save(bundle_folder / "calibration.json")
    cfg = SimpleNamespace(CAR_PATH=str(bundle_folder.parent), LENS_BUNDLE="lens", LENS_CALIBRATE_BUTTON="")
    part = MLEAnomalyPart.from_config(cfg)
    assert part.inputs == ["cam/image_array"]
    assert len(part.run(None)) == len(part.outputs)
    part.shutdown()
