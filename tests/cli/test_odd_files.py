"""Paths that lead nowhere, in a circle, to a pipe or a device, or whose names are no text, given to every command."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MakeTub = Callable[..., Path]


def circle(path: Path) -> None:
    path.symlink_to(path)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 40 * 2**30)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    "command",
    [
        ("score", "ODD", "--bundle", "BUNDLE", "--out", "OUT"),
        ("score", "TUB", "--bundle", "ODD", "--out", "OUT"),
        ("score", "TUB", "--bundle", "BUNDLE", "--calibration", "ODD", "--out", "OUT"),
        ("calibrate", "BUNDLE", "--tub", "ODD", "--out", "OUT"),
        ("clean", "ODD", "--bundle", "BUNDLE"),
        ("events", "ODD"),
        ("report", "ODD", "--out", "page.html"),
        ("doctor", "ODD"),
        ("install-part", "ODD"),
    ],
    ids=lambda command: " ".join(command[:4:2]),
)
@pytest.mark.parametrize("make", [circle, pipe, device])
def test_what_cannot_be_read_is_one_line(
    make: Callable[[Path], None],
    command: tuple[str, ...],
    run: Any,
    make_tub: MakeTub,
    bundle_folder: Path,
    tmp_path: Path,
) -> None:
    make(tmp_path / "odd")
    given = {"ODD": tmp_path / "odd", "BUNDLE": bundle_folder, "OUT": tmp_path / "out"}
    if "TUB" in command:
        given["TUB"] = make_tub(3)
    assert str(tmp_path / "odd") in run(*(given.get(word, word) for word in command)).error_line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [circle, pipe, device, sparse, folder])
def test_scores_that_are_no_file_of_ours_are_one_line(
    make: Callable[[Path], None], run: Any, make_tub: MakeTub, tmp_path: Path
) -> None:
    make(tmp_path / "scores.csv")
    outcome = run("report", make_tub(3), "--scores", tmp_path / "scores.csv", "--out", tmp_path / "page.html")
    assert outcome.code == 2
    [line] = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {tmp_path / 'scores.csv'} cannot be read (")


def test_a_link_in_a_circle_is_replaced_by_what_is_written_there(
    run: Any, make_tub: MakeTub, bundle_folder: Path, tmp_path: Path
) -> None:
    circle(tmp_path / "scores.csv")
    assert run("score", make_tub(3), "--bundle", bundle_folder, "--out", tmp_path / "scores.csv").code == 0
    assert (tmp_path / "scores.csv").read_text().count("\n") == 4


def test_a_drive_whose_name_is_no_text_is_scored_and_reported(
    run: Any, make_tub: MakeTub, bundle_folder: Path, tmp_path: Path
) -> None:
    tub = make_tub(3).rename(tmp_path / os.fsdecode(b"dr\xff\xfeive"))
    out, page = tmp_path / "scores.csv", tmp_path / "page.html"
    assert run("score", tub, "--bundle", bundle_folder, "--out", out).code == 0
    assert run("report", tub, "--scores", out, "--out", page).code == 0
    assert "dr??ive" in page.read_text()
