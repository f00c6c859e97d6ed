"""`mle-uvad clean`: wet records are deleted as the tub manager does, and come back."""

import csv
import json
import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mle_uvad.calibration import Calibration

needs_donkeycar = pytest.mark.skipif(find_spec("donkeycar") is None, reason="needs donkeycar")
WET = range(120, 200)  # records, of 20 a second


@pytest.fixture
def calibrated(bundle_folder: Path, calibration: Calibration) -> Path:
    calibration.save(bundle_folder / "calibration.json")
    return bundle_folder


@pytest.fixture
def wet_tub(make_tub: Callable[..., Path], moving_frames: Callable[..., list[NDArray[np.uint8]]]) -> Path:
    """16 seconds of the scene that was calibrated on; for four of them the left half is blurred."""
    frames = moving_frames(320)
    for number in WET:
        blurred = np.asarray(Image.fromarray(frames[number]).filter(ImageFilter.GaussianBlur(4)))
        frames[number] = np.concatenate([blurred[:, :80], frames[number][:, 80:]], axis=1)
    return make_tub(frames, per_catalog=160)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def deleted(tub: Path) -> list[int]:
    return list(json.loads((tub / "manifest.json").read_text().splitlines()[4])["deleted_indexes"])


def test_wet_records_go_and_come_back(run: Any, wet_tub: Path, calibrated: Path) -> None:
    before = tree(wet_tub)
    outcome = run("clean", wet_tub, "--bundle", calibrated, "--margin", 1)
    assert outcome.code == 0, outcome.err
    gone = deleted(wet_tub)
    assert set(WET) <= set(gone)
    assert len(gone) < 220, "most of what is clean stays"
    assert f"{len(gone)} deleted" in outcome.out
    assert outcome.err.splitlines()[-1].startswith(f"next: donkey train --tub {wet_tub}")
    outcome = run("clean", wet_tub, "--undo")
    assert outcome.code == 0
    assert outcome.out == f"{wet_tub}: {len(gone)} records restored\n"
    assert tree(wet_tub) == before


def shown_by_the_tub_manager(tub: Path) -> tuple[list[int], int]:
    """Return the records and their number as `TubLoader.update_tub` of donkeycar's tub manager takes them."""
    from donkeycar.parts.tub_v2 import Tub as DonkeyTub

    opened = DonkeyTub(str(tub))  # as there: not read-only
    indexes, count = [record["_index"] for record in opened], len(opened)
    opened.close()
    return indexes, count


@needs_donkeycar
def test_the_tub_manager_shows_the_same_deletions(run: Any, wet_tub: Path, calibrated: Path) -> None:
    everything, before = (list(range(320)), 320), tree(wet_tub)
    assert shown_by_the_tub_manager(wet_tub) == everything
    run("clean", wet_tub, "--bundle", calibrated)
    gone = deleted(wet_tub)
    assert shown_by_the_tub_manager(wet_tub) == (sorted(set(range(320)) - set(gone)), 320 - len(gone))
    run("clean", wet_tub, "--undo")
    assert shown_by_the_tub_manager(wet_tub) == everything
    assert tree(wet_tub) == before


@needs_donkeycar
def test_what_the_tub_manager_restored_is_no_hindrance_to_undo(run: Any, wet_tub: Path, calibrated: Path) -> None:
    from donkeycar.parts.tub_v2 import Tub as DonkeyTub

    before = tree(wet_tub)
    run("clean", wet_tub, "--bundle", calibrated)
    opened = DonkeyTub(str(wet_tub))
    opened.restore_records(set(WET))  # as `TubEditor.del_lr` does with the chosen range
    opened.close()
    assert set(WET).isdisjoint(deleted(wet_tub))
    assert deleted(wet_tub)
    assert run("clean", wet_tub, "--undo").code == 0
    assert tree(wet_tub) == before


@needs_donkeycar
def test_donkeycars_training_does_not_see_them(run: Any, wet_tub: Path, calibrated: Path, tmp_path: Path) -> None:
    if find_spec("typing_extensions") is None:
        pytest.skip("donkeycar's training set needs typing_extensions")
    from donkeycar.config import load_config
    from donkeycar.pipeline.types import TubDataset

    run("clean", wet_tub, "--bundle", calibrated)
    (tmp_path / "config.py").touch()
    dataset = TubDataset(load_config(str(tmp_path / "config.py")), [str(wet_tub)])
    seen = {record.underlying["_index"] for record in dataset.get_records()}
    dataset.close()
    assert seen == set(range(320)) - set(deleted(wet_tub))
    assert seen.isdisjoint(WET)


def test_a_dry_run_prints_and_changes_nothing(run: Any, wet_tub: Path, calibrated: Path, tmp_path: Path) -> None:
    before = tree(wet_tub)
    outcome = run("clean", wet_tub, "--bundle", calibrated, "--dry-run", "--sheet", tmp_path / "out/going.png")
    assert outcome.code == 0
    assert "to delete" in outcome.out
    assert outcome.err.splitlines()[-1] == (f"next: mle-uvad clean {wet_tub} --bundle {calibrated}")
    assert tree(wet_tub) == before
    assert Image.open(tmp_path / "out/going.png").size == (8 * 160, 136)


def test_the_mask_has_a_state_for_each_record(run: Any, wet_tub: Path, calibrated: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.csv"
    figures = json.loads(run("clean", wet_tub, "--bundle", calibrated, "--margin", 1, "--mask", mask, "--json").out)
    with mask.open(newline="") as file:
        states = {int(row["index"]): row["state"] for row in csv.DictReader(file)}
    assert list(states) == list(range(320))
    assert {states[index] for index in WET} <= {"obscured", "unsure"}
    obscured = [index for index, state in states.items() if state == "obscured"]
    assert len(set(obscured) & set(WET)) > 30
    assert sum(state == "normal" for state in states.values()) == figures["states"]["normal"] > 80
    assert figures["deleted"] == len(deleted(wet_tub))


def test_what_donkeycar_does_not_read_is_not_counted_as_deleted(run: Any, wet_tub: Path, calibrated: Path) -> None:
    manifest = (wet_tub / "manifest.json").read_text().replace(', "catalog_1.catalog"', "")
    (wet_tub / "manifest.json").write_text(manifest)
    outcome = run("clean", wet_tub, "--bundle", calibrated)
    gone = deleted(wet_tub)
    assert gone == list(range(gone[0], 160))
    [(first, last)] = re.findall(r"records (\d+) to (\d+),", outcome.out)
    assert int(first) == gone[0]
    assert f"320 records, {len(gone)} deleted\n" in outcome.out
    assert f"  {int(last) - 159} more need no mark: donkeycar reads none of their lines\n" in outcome.out
    assert run("clean", wet_tub, "--undo").out == f"{wet_tub}: {len(gone)} records restored\n"


def test_a_clean_drive_is_left_alone(run: Any, make_tub: Callable[..., Path], calibrated: Path) -> None:
    tub = make_tub(200)
    before = tree(tub)
    outcome = run("clean", tub, "--bundle", calibrated)
    assert outcome.err.splitlines()[-1] == f"next: donkey train --tub {tub}"
    assert tree(tub) == before


def test_bad_input_is_one_line(run: Any, wet_tub: Path, calibrated: Path, tmp_path: Path) -> None:
    assert "give --bundle BUNDLE, or --undo" in run("clean", wet_tub).error_line
    given = ("clean", wet_tub, "--bundle", calibrated)
    assert "ends with .png or .jpg" in run(*given, "--sheet", tmp_path / "sheet.html").error_line
    assert "belongs to what is read" in run(*given, "--mask", wet_tub / "manifest.json").error_line
    assert "nothing to undo" in run("clean", wet_tub, "--undo").error_line
    os.remove(calibrated / "calibration.json")
    assert "finds nothing without one; type: mle-uvad calibrate" in run(*given).error_line
