"""`mle-uvad score` on several drives: the same scores as one by one, and none computed twice."""

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mle_uvad.calibration import Calibration


@pytest.fixture
def two_cars(make_tub: Callable[..., Path]) -> list[Path]:
    """Tubs of two cars, both called `data` as donkeycar does."""
    return [make_tub(count, name=f"car{number}/data") for number, count in enumerate((30, 12), start=1)]


def written(folder: Path) -> dict[str, int]:
    """When each file was written, ns."""
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.iterdir())}


def test_many_drives_are_scored_as_one_by_one(
    run: Any, bundle_folder: Path, two_cars: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    outcome = run("score", *two_cars, "--bundle", bundle_folder, "--out", out, "--jobs", 2, "--json")
    assert outcome.code == 0, outcome.err
    figures = json.loads(outcome.out)
    assert [drive["records"] for drive in figures["drives"]] == [30, 12]
    assert not figures["failed"]
    assert list(written(out)) == ["car1-data.csv", "car1-data.json", "car2-data.csv", "car2-data.json"]
    for tub in two_cars:
        alone = tmp_path / "alone.csv"
        assert run("score", tub, "--bundle", bundle_folder, "--out", alone).code == 0
        assert (out / f"{tub.parent.name}-data.csv").read_bytes() == alone.read_bytes()


def test_drives_that_were_scored_before_are_not_scored_again(
    run: Any,
    bundle_folder: Path,
    two_cars: list[Path],
    make_tub: Callable[..., Path],
    calibration: Calibration,
    tmp_path: Path,
) -> None:
    out = tmp_path / "scores"

    def again(*tubs: Path) -> list[str]:
        """The drives that were scored anew."""
        before = written(out) if out.exists() else {}
        outcome = run("score", *tubs, "--bundle", bundle_folder, "--out", out, "--jobs", 1)
        assert outcome.code == 0, outcome.err
        assert outcome.out.count(".csv: ") == len(tubs), "drives scored before are reported too"
        return [name for name, when in written(out).items() if name.endswith("csv") and when != before.get(name)]

    assert again(*two_cars) == ["car1-data.csv", "car2-data.csv"]
    assert again(*two_cars) == []
    third = make_tub(8, name="car3/data")
    assert again(*two_cars, third) == ["car3-data.csv"]
    (out / "car1-data.json").unlink()  # written last: without it the scores may not be whole
    (out / "car2-data.json").write_text("{torn")
    (out / "car3-data.csv").unlink()
    assert again(*two_cars, third) == ["car1-data.csv", "car2-data.csv", "car3-data.csv"]
    lines = (third / "catalog_0.catalog").read_text().splitlines(keepends=True)
    (third / "catalog_0.catalog").write_text("".join(lines[:-1]))
    assert again(*two_cars, third) == ["car3-data.csv"], "the tub has other records"
    assert datetime.fromisoformat(calibration.created_at)
    calibration.save(bundle_folder / "calibration.json")
    assert again(*two_cars) == ["car1-data.csv", "car2-data.csv"], "another calibration gives other events"


def test_a_drive_that_cannot_be_scored_does_not_stop_the_others(
    run: Any, bundle_folder: Path, two_cars: list[Path], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    outcome = run("score", two_cars[0], empty, two_cars[1], "--bundle", bundle_folder, "--out", tmp_path / "scores")
    assert outcome.code == 3
    assert outcome.out.count("records") == 2
    assert f"not scored: {empty}: no Donkeycar v2 tub" in outcome.err


def test_bad_input_of_many_drives_is_one_line(
    run: Any, bundle_folder: Path, two_cars: list[Path], tmp_path: Path
) -> None:
    given = (*two_cars, "--bundle", bundle_folder, "--out")
    assert "both be car1-data.csv" in run("score", two_cars[0], *given, tmp_path / "s").error_line
    assert "--jobs is 0" in run("score", *given, tmp_path / "s", "--jobs", 0).error_line
    assert "belongs to what is read" in run("score", *given, two_cars[1]).error_line
    os.truncate(bundle_folder / "model.onnx", 100)
    assert "damaged" in run("score", *given, tmp_path / "s").error_line
    assert not (tmp_path / "s").exists()


def test_thresholds_for_luma_do_not_hold_for_a_tub(
    run: Any, bundle_folder: Path, calibration: Calibration, two_cars: list[Path], tmp_path: Path
) -> None:
    calibration.save(bundle_folder / "calibration.json")
    facts = json.loads((bundle_folder / "calibration.json").read_text())
    (bundle_folder / "calibration.json").write_text(json.dumps(facts | {"camera": "luma"}))
    line = run("score", two_cars[0], "--bundle", bundle_folder, "--out", tmp_path / "s.csv").error_line
    assert "the calibration is for camera frames luma, the car has rgb" in line
