"""The tub reader on real drives, damaged as drives are. Catalogs alone are read: the images are many."""

from pathlib import Path

import pytest

from mle_uvad.edge.tubs.image import read_image
from mle_uvad.edge.tubs.tub import Tub


@pytest.fixture
def tubs(shared_folder: Path) -> Path:
    folder = shared_folder / "tubs"
    if not folder.is_dir():
        pytest.skip(f"no real drives: {folder} is absent")
    return folder


@pytest.mark.parametrize(
    ("name", "records", "deleted", "torn", "uncatalogued"),
    [
        ("flat", 3742, 3064, 2, 110),
        ("lab", 5015, 0, 0, 0),
        ("office", 14135, 0, 0, 0),
        ("outdoor", 1078, 0, 0, 1998),  # two catalogs of a longer drive, and images of others
    ],
)
def test_counts_of_real_drives(tubs: Path, name: str, records: int, deleted: int, torn: int, uncatalogued: int) -> None:
    tub = Tub(tubs / name)
    assert len(tub.records) == records
    assert tub.deleted == deleted
    assert tub.skipped_counts() == ({"catalog line is torn": torn} if torn else {})
    assert tub.uncatalogued == uncatalogued
    indexes = [record.index for record in tub.records]
    assert indexes == sorted(set(indexes))
    assert read_image(tub.records[len(indexes) // 2].image).shape == (120, 160, 3)


@pytest.mark.parametrize("name", ["flat", "hall", "lab", "outdoor"])
def test_the_records_are_those_that_donkeycar_trains_on(tubs: Path, name: str) -> None:
    """In `flat`, 113 lines were lost, so that the numbers of lines, by which donkeycar deletes, lag behind `_index`."""
    tub_v2 = pytest.importorskip("donkeycar.parts.tub_v2")
    theirs = tub_v2.Tub(str(tubs / name), read_only=True)
    read_by_donkeycar = [record["_index"] for record in theirs]
    theirs.close()
    assert [record.index for record in Tub(tubs / name).records] == read_by_donkeycar
