"""A calibration that is replaced is kept, and can be put back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mle_uvad.calibration import Calibration
from mle_uvad.calibration.kept import KEPT_MAX, restore, save
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError


def made(calibration: Calibration, number: int) -> Calibration:
    return replace(calibration, created_at=f"2026-01-{number:02}T00:00:00+00:00")


def day(path: Path) -> int:
    return int(json.loads(path.read_text())["created_at"][8:10])


def kept(path: Path) -> list[int]:
    """The days of the kept calibrations, the newest first."""
    numbered = sorted(path.parent.glob(f"{path.name}.*"), key=lambda file: int(file.suffix[1:]))
    return [day(file) for file in numbered]


def test_the_last_five_are_kept(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    for number in range(1, 9):
        save(made(calibration, number), path)
    assert day(path) == 8
    assert kept(path) == [7, 6, 5, 4, 3]
    assert len(kept(path)) == KEPT_MAX


def test_restoring_goes_through_all_of_them_and_loses_none(
    calibration: Calibration, bundle: Bundle, tmp_path: Path
) -> None:
    path = tmp_path / "calibration.json"
    for number in (1, 2, 3):
        save(made(calibration, number), path)
    for expected in (2, 1, 3, 2):
        assert restore(path, bundle).created_at == made(calibration, expected).created_at
        assert day(path) == expected
        assert sorted([expected, *kept(path)]) == [1, 2, 3]


def test_those_of_another_model_and_damaged_ones_are_passed_over(
    calibration: Calibration, bundle: Bundle, tmp_path: Path
) -> None:
    path = tmp_path / "calibration.json"
    save(made(calibration, 1), path)
    save(replace(made(calibration, 2), model_sha256="0" * 64), path)
    save(made(calibration, 3), path)
    path.write_text("torn")
    save(made(calibration, 4), path)
    assert (tmp_path / "calibration.json.1").read_text() == "torn"
    assert restore(path, bundle).created_at == made(calibration, 1).created_at
    assert len(list(tmp_path.iterdir())) == 4, "nothing is lost"


def test_without_one_to_restore_nothing_changes(calibration: Calibration, bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    save(calibration, path)
    with pytest.raises(InputError, match="no calibration to restore: none is kept for this bundle"):
        restore(path, bundle)
    assert [entry.name for entry in tmp_path.iterdir()] == ["calibration.json"]
