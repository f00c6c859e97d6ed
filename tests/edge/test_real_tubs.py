"""The tub reader on real drives, damaged as drives are. Catalogs alone are read: the images are many."""

import json
from pathlib import Path

import pytest

from mle_uvad.edge.tubs.tub import Tub, read_image


@pytest.fixture
def tubs(shared_folder: Path) -> Path:
    folder = shared_folder / "tubs"
    if not folder.is_dir():
        pytest.skip(f"no real drives: {folder} is absent")
    return folder


@pytest.mark.parametrize(
    ("name", "records", "deleted", "torn", "uncatalogued"),
    [
        ("flat", 3765, 3041, 2, 110),
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


def test_lost_lines_move_the_deletions_that_donkeycar_applies(tubs: Path) -> None:
    """Donkeycar takes the position of a line for its index. Where lines were lost the two differ, and it drops
    records that the owner kept and keeps some that he deleted; the reader goes by `_index`, as he did.
    """
    tub_v2 = pytest.importorskip("donkeycar.parts.tub_v2")
    theirs = tub_v2.Tub(str(tubs / "flat"), read_only=True)
    read_by_donkeycar = [record["_index"] for record in theirs]
    deleted, catalogs = theirs.manifest.deleted_indexes, theirs.manifest.catalog_paths
    theirs.close()
    kept_by_position, kept_by_index, position = [], [], 0
    for name in catalogs:
        for line in (tubs / "flat" / name).read_bytes().splitlines():
            try:
                index = json.loads(line)["_index"]
            except ValueError:
                index = None
            if index is not None and position not in deleted:
                kept_by_position.append(index)
            if index is not None and index not in deleted:
                kept_by_index.append(index)
            position += 1
    assert len(read_by_donkeycar) == 3742
    assert read_by_donkeycar == kept_by_position
    assert [record.index for record in Tub(tubs / "flat").records] == kept_by_index
    assert len(kept_by_index) == 3765
