"""Marking records as deleted: the very bytes that donkeycar writes, and the way back at any moment."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.deletions import KEPT, mark_deleted, read_manifest, undo
from mle_uvad.edge.tubs.tub import Tub

needs_donkeycar = pytest.mark.skipif(find_spec("donkeycar") is None, reason="needs donkeycar")


@pytest.fixture
def tub(make_tub: Callable[..., Path]) -> Path:
    return make_tub(30, per_catalog=10, deleted=[2])


def mark(tub: Path, indexes: list[int]) -> list[int]:
    return mark_deleted(tub, read_manifest(tub), indexes)


@needs_donkeycar
def test_the_manifest_is_the_one_that_donkeycar_writes(tub: Path, tmp_path: Path) -> None:
    from donkeycar.parts.tub_v2 import Tub as DonkeyTub

    other = DonkeyTub(str(shutil.copytree(tub, tmp_path / "other")))
    other.delete_records({11, 12, 25})
    other.close()
    assert mark(tub, [25, 12, 11, 2]) == [11, 12, 25], "record 2 was the owner's"
    assert (tub / "manifest.json").read_bytes() == (tmp_path / "other/manifest.json").read_bytes()


@needs_donkeycar
def test_donkeycar_reads_the_other_records_and_restores_these(tub: Path) -> None:
    from donkeycar.parts.tub_v2 import Tub as DonkeyTub

    before = (tub / "manifest.json").read_bytes()
    mark(tub, [11, 12, 25])
    reader = DonkeyTub(str(tub), read_only=True)
    assert [record["_index"] for record in reader] == [n for n in range(30) if n not in (2, 11, 12, 25)]
    reader.close()
    manager = DonkeyTub(str(tub))
    manager.restore_records({11, 12, 25})
    manager.close()
    assert (tub / "manifest.json").read_bytes() == before
    assert len(Tub(tub).records) == 29
    undo(tub)
    assert (tub / "manifest.json").read_bytes() == before


def test_undo_gives_the_manifest_its_bytes_back(tub: Path) -> None:
    text = (tub / "manifest.json").read_text()
    catalogs = json.loads(text.splitlines()[-1])
    unusual = text.replace(text.splitlines()[-1], json.dumps(catalogs, separators=(",", ":"), sort_keys=True))
    (tub / "manifest.json").write_text(unusual)
    assert mark(tub, [7]) == [7]
    assert undo(tub) == 1
    assert (tub / "manifest.json").read_text() == unusual
    assert not (tub / KEPT).exists()
    with pytest.raises(InputError, match="nothing to undo"):
        undo(tub)


def test_undo_keeps_what_the_owner_deleted_since(tub: Path) -> None:
    mark(tub, [11, 12])
    manifest = (tub / "manifest.json").read_text()
    (tub / "manifest.json").write_text(manifest.replace("[2, 11, 12]", "[2, 11, 12, 20]"))
    undo(tub)
    assert json.loads((tub / "manifest.json").read_text().splitlines()[-1])["deleted_indexes"] == [2, 20]


def test_a_tub_that_is_cleaned_is_not_cleaned_twice(tub: Path) -> None:
    mark(tub, [11])
    with pytest.raises(InputError, match=r"cleaned already, 1 records; type: mle-uvad clean .* --undo"):
        read_manifest(tub)


def test_a_tub_that_is_being_written_is_left_alone(tub: Path) -> None:
    manifest = read_manifest(tub)
    newer = manifest.replace(b'"current_index": 30', b'"current_index": 31')
    (tub / "manifest.json").write_bytes(newer)
    with pytest.raises(InputError, match="changed while it was read; stop the car"):
        mark_deleted(tub, manifest, [3])
    assert (tub / "manifest.json").read_bytes() == newer
    assert not (tub / KEPT).exists()


@pytest.mark.parametrize("torn", ["", "[]\n[]\n{}\n{}\n", '[]\n[]\n{}\n{}\n{"paths": [], "deleted_indexes": ["a"]}\n'])
def test_a_torn_manifest_is_refused_and_kept(tub: Path, torn: str) -> None:
    (tub / "manifest.json").write_text(torn)
    with pytest.raises(InputError, match="is torn, so nothing can be marked in it"):
        read_manifest(tub)
    assert (tub / "manifest.json").read_text() == torn


def lost_lines(tub: Path) -> None:
    lines = catalog_lines(tub, 0)
    (tub / "catalog_0.catalog").write_text("".join([lines[0], "{torn\n", *lines[4:]]))


def part_of_a_longer_tub(tub: Path) -> None:
    manifest = (tub / "manifest.json").read_text()
    (tub / "manifest.json").write_text(manifest.replace('["catalog_0.catalog", ', "["))
    (tub / "catalog_0.catalog").unlink()


def catalog_that_is_not_listed(tub: Path) -> None:
    manifest = (tub / "manifest.json").read_text()
    (tub / "manifest.json").write_text(manifest.replace('"catalog_1.catalog", ', ""))


def empty_line(tub: Path) -> None:
    lines = catalog_lines(tub, 1)
    (tub / "catalog_1.catalog").write_text("".join([*lines[:4], "\n", *lines[4:]]))


def two_lines_of_one_record(tub: Path) -> None:
    lines = catalog_lines(tub, 0)
    (tub / "catalog_0.catalog").write_text("".join([*lines[:4], lines[3], *lines[4:]]))


def catalog_lines(tub: Path, number: int) -> list[str]:
    return (tub / f"catalog_{number}.catalog").read_text().splitlines(keepends=True)


@needs_donkeycar
@pytest.mark.parametrize(
    ("damage", "never_read"),
    [
        (lost_lines, set()),
        (part_of_a_longer_tub, set()),
        (catalog_that_is_not_listed, set(range(10, 20))),
        (empty_line, set(range(14, 20))),
        (two_lines_of_one_record, set()),
    ],
)
def test_where_lines_and_indexes_differ_donkeycar_and_the_reader_leave_out_the_same_records(
    damage: Callable[[Path], None], never_read: set[int], make_tub: Callable[..., Path]
) -> None:
    tub = make_tub(30, per_catalog=10, deleted=[2, 11, 19, 25])
    damage(tub)
    for catalog_manifest in tub.glob("*.catalog_manifest"):
        catalog_manifest.unlink()
    before = read_by_donkeycar(tub)
    assert {record.index for record in Tub(tub).records} == before | never_read
    mark(tub, [3, 5, 20])
    assert read_by_donkeycar(tub) == before - {3, 5, 20}, "those that were meant, wherever their lines are"
    assert {record.index for record in Tub(tub).records} == read_by_donkeycar(tub) | never_read
    undo(tub)
    assert read_by_donkeycar(tub) == before


def read_by_donkeycar(tub: Path) -> set[int]:
    from donkeycar.parts.tub_v2 import Tub as DonkeyTub

    reader = DonkeyTub(str(tub))
    indexes = {record["_index"] for record in reader}
    reader.close()
    return indexes


KILLED = """
import os, signal, sys
from pathlib import Path
from mle_uvad.edge.tubs import deletions

tub, left, write = Path(sys.argv[1]), int(sys.argv[2]), deletions._write

def write_until_killed(path, content):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    write(path, content)

deletions._write = write_until_killed
deletions.mark_deleted(tub, deletions.read_manifest(tub), [11, 12])
"""


@pytest.mark.parametrize("files_written", [0, 1])
def test_a_kill_between_the_two_files_loses_nothing(tub: Path, tmp_path: Path, files_written: int) -> None:
    before = (tub / "manifest.json").read_bytes()
    ran = subprocess.run([sys.executable, "-c", KILLED, tub, str(files_written)], cwd=tmp_path, check=False)
    assert ran.returncode == -signal.SIGKILL
    assert (tub / KEPT).exists() == bool(files_written)
    assert (tub / "manifest.json").read_bytes() == before
    assert mark(tub, [11, 12]) == [11, 12], "what was interrupted can be done again"
    undo(tub)
    assert (tub / "manifest.json").read_bytes() == before


def test_a_kill_after_the_manifest_came_back_loses_nothing(tub: Path) -> None:
    before = (tub / "manifest.json").read_bytes()
    mark(tub, [11, 12])
    (tub / "manifest.json").write_bytes(before)
    assert undo(tub) == 2
    assert (tub / "manifest.json").read_bytes() == before
