"""Further cases of what owners' tubs and cars are like: odd pictures, links, buttons, loops that stutter, telemetry."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hand_made
import numpy as np
import pytest
from PIL import Image

from mle_uvad.calibration import Calibration
from mle_uvad.calibration.kept import KEPT_MAX, restore, save
from mle_uvad.edge import Bundle, InputError
from mle_uvad.edge.tubs.find import find_tubs
from mle_uvad.edge.tubs.tub import Tub, commonest_camera
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.events.export import select

MakeTub = Callable[..., Path]
MovingFrames = Callable[..., list[np.ndarray]]


@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK", "LA", "1"])
def test_pictures_of_a_kind_that_no_camera_writes_are_frames_to_every_step(mode: str, make_tub: MakeTub) -> None:
    tub = make_tub(12)
    for path in (tub / "images").iterdir():
        with Image.open(path) as image:
            converted = image.convert(mode)
        converted.save(path, "JPEG" if mode == "CMYK" else "PNG")
    read = Tub(tub)
    assert commonest_camera(read) == "rgb"
    read.leave_out_others(120, 160, "rgb")
    shapes = {(frame.shape, frame.dtype.name) for _, frame in read.frames()}
    assert (shapes, read.skipped) == ({((120, 160, 3), "uint8")}, [])


def test_a_link_to_a_drive_is_a_second_drive_and_asked_about(make_tub: MakeTub, tmp_path: Path) -> None:
    tub = make_tub(3, name="data/tub_1_26-06-02")
    (tmp_path / "data" / "latest").symlink_to(tub)
    with pytest.raises(InputError, match=r"holds 2 drives: latest, tub_1_26-06-02; give one of them"):
        find_tubs(tmp_path / "data")
    assert find_tubs(tmp_path / "data" / "latest")[0] == [tmp_path / "data" / "latest"]


def test_a_dangling_link_and_files_among_the_drives_are_passed_over(make_tub: MakeTub, tmp_path: Path) -> None:
    tub = make_tub(3, name="data/tub_1_26-06-02")
    (tmp_path / "data" / "tub_2_26-06-02").symlink_to(tmp_path / "usb-stick")
    (tmp_path / "data" / "tub_3_26-06-02.zip").write_bytes(b"PK")
    assert find_tubs(tmp_path / "data") == ([tub], f"reading {tub}")


@pytest.mark.parametrize("obstacle", ["folder", "link"])
def test_what_lies_in_the_place_of_a_kept_calibration_is_not_lost_and_keeps_no_new_one_out(
    obstacle: str, calibration: Calibration, bundle: Bundle, tmp_path: Path
) -> None:
    path, other = tmp_path / "calibration.json", tmp_path / "mine"
    other.write_text("mine")
    if obstacle == "folder":
        (tmp_path / "calibration.json.9").mkdir()
    else:
        (tmp_path / "calibration.json.9").symlink_to(other)
    for _ in range(KEPT_MAX + 3):
        save(calibration, path)
    assert restore(path, bundle).created_at == calibration.created_at
    assert other.read_text() == "mine"


PACES: dict[str, Callable[[int], float]] = {  # seconds before a frame
    "60 to 900 ms": lambda number: 0.06 + 0.84 * (number * 0.618 % 1),
    "five at once every two seconds": lambda number: 0.01 if number % 5 else 1.9,
    "always 400 ms": lambda number: 0.4,
    "half as fast every second": lambda number: 0.05 if number // 20 % 2 else 0.1,
    "a pause of a minute now and then": lambda number: 0.05 if number % 90 else 61.0,
}


@pytest.fixture(scope="module")
def shipped_calibration(shipped_bundle: Bundle, moving_frames: MovingFrames) -> Calibration:
    """The calibration of the network that ships, from a clean drive of 36 s."""
    return hand_made.calibrate(shipped_bundle, moving_frames(720), 20.0)


@pytest.mark.parametrize("pace", PACES)
def test_a_clean_lens_raises_no_event_however_the_loop_stutters(
    pace: str, shipped_bundle: Bundle, shipped_calibration: Calibration, moving_frames: MovingFrames, tmp_path: Path
) -> None:
    shipped_calibration.save(tmp_path / "calibration.json")
    now_s = [1000.0]
    part = MLEAnomalyPart(
        shipped_bundle.folder, tmp_path / "calibration.json", tmp_path / "l.db", clock=lambda: now_s[0]
    )
    said = []
    for number, frame in enumerate(moving_frames(320)):
        now_s[0] += PACES[pace](number)
        said.append(part.run(frame))
    part.shutdown()
    assert not any(values[1] for values in said), {values[4] for values in said}
    assert {values[4] for values in said} <= {"warmup", "ok", "still"}


CHECKS_AN_EXPORT = """
import sys
import mle_uvad.export.bundle
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
open_scorer(Bundle.load(sys.argv[1]))
"""
DRIVES = """
import sys
import numpy as np
from pathlib import Path
from mle_uvad.parts import MLEAnomalyPart
bundle, folder = Path(sys.argv[1]), Path(sys.argv[2])
part = MLEAnomalyPart(bundle, folder / "c.json", folder / "l.db")
for number in range(5):
    part.run(np.random.default_rng(number).integers(0, 256, (120, 160, 3), np.uint8))
part.shutdown()
"""
SAY = """
import os
opened = []
for name in os.listdir("/proc/self/fd"):
    try:
        opened.append(os.readlink("/proc/self/fd/" + name))
    except FileNotFoundError:
        pass  # that of the list itself
print([link for link in opened if link.startswith("socket:")], os.environ["ORT_DISABLE_TELEMETRY"])
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for sockets in /proc")
@pytest.mark.parametrize("code", [DRIVES, CHECKS_AN_EXPORT], ids=["the part", "the export"])
def test_neither_the_part_nor_the_export_opens_a_socket_or_writes_a_home_folder(
    code: str, bundle: Bundle, tmp_path: Path
) -> None:
    if code == CHECKS_AN_EXPORT:
        pytest.importorskip("torch", reason="needs what the export needs")
    home = tmp_path / "home"
    home.mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", code + SAY, str(bundle.folder.resolve()), str(tmp_path)],
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "[] 1"), ran
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize("session", ['"\\ud800"', '"23-11-14_0\\udfff"'])
def test_half_a_character_in_the_name_of_a_session_stops_no_step(session: str, make_tub: MakeTub) -> None:
    tub = make_tub(8)
    catalog = tub / "catalog_0.catalog"
    catalog.write_text(catalog.read_text().replace('"23-11-14_0"', session))
    read = Tub(tub)
    assert len(list(read.frames())) == 8
    assert len({record.session_id for record in read.records}) == 1


@pytest.mark.parametrize("since", ["0000-12-31", "-0001-01-01", "99999-01-01", "0001-01-01T00:00+14:00"])
def test_a_date_beyond_the_calendar_is_one_line(since: str) -> None:
    with pytest.raises(InputError, match="--since") as caught:
        select([], since=since)
    assert "\n" not in str(caught.value)
