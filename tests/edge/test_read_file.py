"""Files opened by name: whatever lies there is refused at once, in every place that opens one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mle_uvad.calibration import Calibration
from mle_uvad.edge import Bundle, InputError
from mle_uvad.edge.read_file import read_file
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.parts.calibration_request import REPLY_FILE, REQUEST_FILE, CalibrationRequests, request_calibration
from mle_uvad.parts.install.car_config import read_car_config


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 8 * 2**30)


OBSTACLES: dict[str, Callable[[Path], Any]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "sparse": sparse,
    "folder": Path.mkdir,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
}
obstacles = pytest.mark.parametrize("obstacle", OBSTACLES)


def put(obstacle: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    OBSTACLES[obstacle](path)


@obstacles
@pytest.mark.parametrize("follow", [False, True])
def test_only_a_regular_file_of_bounded_size_is_read(obstacle: str, follow: bool, tmp_path: Path) -> None:
    put(obstacle, tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        read_file(tmp_path / "file", 1000, follow=follow)


def test_links_are_followed_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1000)
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link", 1000, follow=True) == read_file(tmp_path / "file", 1000) == b"x" * 1000
    with pytest.raises(OSError, match="link"):
        read_file(tmp_path / "link", 1000)
    with pytest.raises(OSError, match="more than 999 bytes"):
        read_file(tmp_path / "file", 999)


@obstacles
def test_a_tub_skips_and_counts_it(obstacle: str, make_tub: Callable[..., Path]) -> None:
    folder = make_tub(12, per_catalog=6)
    for name in ("manifest.json", "catalog_1.catalog", "images/2_cam_image_array_.jpg"):
        put(obstacle, folder / name)
    tub = Tub(folder)
    assert len(list(tub.frames())) == 5
    assert len(tub.skipped) == 3


@obstacles
def test_the_car_does_not_wait_for_a_request(obstacle: str, tmp_path: Path) -> None:
    requests = CalibrationRequests(tmp_path)
    put(obstacle, tmp_path / REQUEST_FILE)
    put(obstacle, tmp_path / f".{REPLY_FILE}.tmp")
    assert not requests.received()
    requests.reply("collecting", 0.5, "", 1.0)


def test_neither_side_of_a_request_writes_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    requests = CalibrationRequests(tmp_path)
    for name in (REQUEST_FILE, f".{REPLY_FILE}.tmp"):
        (tmp_path / name).symlink_to(victim)
    replies = request_calibration(tmp_path, lambda: 0.0, lambda _: requests.reply("calibrated", 1.0, "", 1.0))
    requests._token = "another"
    requests.reply("collecting", 0.5, "", 1.0)
    del replies
    assert victim.read_text() == "precious"


@obstacles
@pytest.mark.parametrize("name", ["bundle.json", "model.onnx", "calibration.json"])
def test_a_bundle_or_calibration_is_refused_in_one_line(
    obstacle: str, name: str, bundle_folder: Path, calibration: Calibration
) -> None:
    calibration.save(bundle_folder / "calibration.json")
    put(obstacle, bundle_folder / name)
    with pytest.raises(InputError) as refused:
        Calibration.load_for(bundle_folder / "calibration.json", Bundle.load(bundle_folder), "ort")
    assert "\n" not in str(refused.value)


@obstacles
def test_a_cars_settings_are_refused_in_one_line(obstacle: str, stand_in_car: Path) -> None:
    put(obstacle, stand_in_car / "config.py")
    with pytest.raises(InputError):
        read_car_config(stand_in_car)
