"""Stock cars of the installed donkeycar: patched, driven by their own manage.py, restored."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.calibration import Calibration
from mle_uvad.edge import InputError
from mle_uvad.edge.tubs.image import read_image
from mle_uvad.evaluation.car import configure, create_car
from mle_uvad.parts.events.event import read_events
from mle_uvad.parts.install.manage_py import BACKUP, ManagePy

if find_spec("donkeycar") is None:
    pytest.skip("needs donkeycar: pip install 'mle_uvad[donkeycar]'", allow_module_level=True)

LOOPS = 200
PILOT, USER = 0.6, 0.4  # throttle, of pilot_drive.py
TYPES = {"lens/obscured": bool, "lens/coverage": float, "lens/event_id": int, "lens/status": str}
SETTINGS = """
WEB_INIT_MODE = "local"
RECORD_DURING_AI = True
AUTO_CREATE_NEW_TUB = False
AI_THROTTLE_MULT = 1.0
DRIVE_LOOP_HZ = 100
LENS_ACTION = "slow"
LENS_SLOW_THROTTLE = 0.25
"""


def templates() -> list[Path]:
    [folder] = find_spec("donkeycar").submodule_search_locations or []  # type: ignore[union-attr]
    found = (Path(folder) / "templates").glob("*.py")
    return sorted(path for path in found if not path.name.startswith(("cfg_", "myconfig", "train", "calibrate")))


@pytest.mark.parametrize("template", ["complete", "basic"])
def test_a_stock_car_is_patched_driven_and_restored(
    template: str,
    tmp_path: Path,
    bundle_folder: Path,
    calibration: Calibration,
    make_tub: Callable[..., Path],
    clear_frames: Any,
    wet_frames: Any,
) -> None:
    car = tmp_path / "mycar"
    create_car(car, template)
    manage = car / "manage.py"
    stock = manage.read_bytes()
    assert ManagePy.read(car).state == "absent"
    ManagePy.read(car).install()
    assert ManagePy.read(car).state == "installed"
    bundle_folder.rename(car / "models" / "lens")
    calibration.save(car / "models" / "lens" / "calibration.json")
    (car / "models" / "pilot.h5").touch()
    source = make_tub([*clear_frames, *wet_frames, *clear_frames, *clear_frames[:21]])
    configure(car, source / "images", LOOPS)
    with (car / "myconfig.py").open("a") as file:
        file.write(SETTINGS)
    loops = drive_with_pilot(car)
    check_loops(loops)
    check_button(loops, template)
    check_records(car, template)
    assert ManagePy.read(car).undo() is None
    assert manage.read_bytes() == stock
    assert not (car / BACKUP).exists()


def drive_with_pilot(car: Path) -> list[dict[str, Any]]:
    notes = car / "notes.json"
    command: list[str | Path] = [sys.executable, Path(__file__).with_name("pilot_drive.py"), notes]
    done = subprocess.run(command, cwd=car, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    noted = json.loads(notes.read_text())
    [event] = noted["lens_page"]["events"]
    assert event["ended"] in ("", "wiped", "faded")
    assert noted["lens_page"]["picture"]
    return noted["loops"]


def check_loops(loops: list[dict[str, Any]]) -> None:
    """Check that the pilot's throttle is cut to a quarter while obscured, a person's is not, and the page is marked."""
    assert len(loops) == LOOPS
    assert {loop["pilot/throttle"] for loop in loops[1:]} == {PILOT}
    by_person = [loop for loop in loops if loop["user/mode"] == "user"]
    assert 1 <= len(by_person) <= 10
    assert all(loop["throttle"] == USER and loop["lens/obscured"] for loop in by_person)
    obscured = [loop for loop in loops if loop["lens/obscured"] and loop["user/mode"] == "local"]
    assert len(obscured) > 10
    assert {loop["throttle"] for loop in obscured} == {PILOT * 0.25}
    clear = [loop for loop in loops if not loop["lens/obscured"]]
    assert {loop["throttle"] for loop in clear} == {PILOT}
    assert loops[-1]["lens/status"] == "ok", "the lens did not get clear again"
    for loop in loops:
        assert loop["marked"] == (loop["lens/status"] != "warmup" or loop["lens/calibration"] != ""), loop
    assert all(loop["page"] for loop in loops[1:])


def check_button(loops: list[dict[str, Any]], template: str) -> None:
    """Check that the button of the complete template's page works; the basic one has none."""
    messages = list(dict.fromkeys(loop["lens/calibration"] for loop in loops))
    if template == "basic":
        assert messages == [""]
        return
    assert messages == ["", "calibrating 0 %", "calibration cancelled"]


def check_records(car: Path, template: str) -> None:
    from donkeycar.parts.tub_v2 import Tub as DonkeycarTub

    tub = DonkeycarTub(str(car / "data"), read_only=True)
    records = list(tub)
    tub.close()
    assert len(records) >= LOOPS - 2
    for record in records:
        assert {name: type(record[name]) for name in TYPES} == TYPES
    assert sum(type(record.get("lens/pcc")) is float for record in records) > LOOPS / 2
    wet = [record for record in records if record["lens/obscured"]]
    assert wet
    image = read_image(car / "data" / "images" / wet[len(wet) // 2]["cam/image_array"])
    for label in (image[:6, :60], image[-6:, :60], image[:6, -60:], image[-6:, -60:]):
        assert not (np.abs(label.astype(int) - [200, 20, 20]) < 40).all(2).any(), "the mark is in the recorded image"
    (event,) = read_events(car / "logs" / "lens_events.db")
    assert event.state == "ended"


@pytest.mark.parametrize("path", templates(), ids=lambda path: path.stem)
def test_every_other_template_is_refused_and_left_alone(path: Path, tmp_path: Path) -> None:
    manage = tmp_path / "manage.py"
    manage.write_bytes(path.read_bytes())
    read = ManagePy.read(tmp_path)
    if path.stem in ("complete", "basic"):
        assert read.template is not None
        assert read.template.name == path.stem
        return
    assert read.template is None
    with pytest.raises(InputError, match=r"not the stock \w+ template"):
        read.install()
    assert manage.read_bytes() == path.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["manage.py"]


@pytest.mark.parametrize("template", ["complete", "basic"])
def test_windows_line_ends_and_mode_bits_are_kept(template: str, tmp_path: Path) -> None:
    [path] = [path for path in templates() if path.stem == template]
    stock = path.read_bytes().replace(b"\n", b"\r\n")
    manage = tmp_path / "manage.py"
    manage.write_bytes(stock)
    manage.chmod(0o754)
    ManagePy.read(tmp_path).install()
    patched = manage.read_bytes()
    assert patched != stock
    assert patched.count(b"\n") == patched.count(b"\r\n")
    assert manage.stat().st_mode & 0o7777 == 0o754
    assert ManagePy.read(tmp_path).state == "installed"
    ManagePy.read(tmp_path).undo()
    assert manage.read_bytes() == stock
    assert manage.stat().st_mode & 0o7777 == 0o754
