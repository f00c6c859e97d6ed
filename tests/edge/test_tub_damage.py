"""The catalogs and the manifest of a tub after a power cut, and as somebody else might have made them up."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mle_uvad.edge.tubs.tub import Tub

MakeTub = Callable[..., Path]
TORN = "catalog line is torn"


def lines_of(catalog: Path) -> list[bytes]:
    return catalog.read_bytes().splitlines(keepends=True)


def with_fields(line: bytes, **fields: object) -> bytes:
    """The catalog line with other fields; `image` and `index` stand for donkeycar's names."""
    names = {"image": "cam/image_array", "index": "_index", "timestamp_ms": "_timestamp_ms"}
    return json.dumps(json.loads(line) | {names[name]: value for name, value in fields.items()}).encode() + b"\n"


@pytest.mark.parametrize("tail", [b'{"_index": 9, "_times', b"\0" * 500, b"\xff\xfe\0", b"{}", b" "])
def test_an_unfinished_last_line_is_left_out(make_tub: MakeTub, tail: bytes) -> None:
    folder = make_tub(9)
    with (folder / "catalog_0.catalog").open("ab") as file:
        file.write(tail)
    tub = Tub(folder)
    assert len(tub.records) == 9
    assert tub.skipped_counts() == {"catalog line is unfinished": 1}
    assert tub.skipped[0].where == "catalog_0.catalog line 10"


def test_a_catalog_cut_anywhere_loses_no_whole_line(make_tub: MakeTub) -> None:
    folder = make_tub(4)
    catalog = folder / "catalog_0.catalog"
    data = catalog.read_bytes()
    first = data.index(b"\n") + 1
    for cut in range(first, len(data), 7):
        catalog.write_bytes(data[:cut])
        assert len(Tub(folder).records) == data[:cut].count(b"\n")
        catalog.write_bytes(data[:cut] + b"\0" * 64)
        assert len(Tub(folder).records) == data[:cut].count(b"\n")


HOSTILE_LINES = {
    "empty": b"\n",
    "nul run": b"\0" * 300 + b"\n",
    "half": b'{"_index": 3, "_timest\n',
    "two in one": b'{"_index": 3}{"_index": 4}\n',
    "list": b"[1, 2]\n",
    "number": b"7\n",
    "null": b"null\n",
    "no fields": b"{}\n",
    "deep": b"[" * 30_000 + b"]" * 30_000 + b"\n",
    "deep and torn": b'{"a":' * 10_000 + b"\n",
    "long": b'{"a": "' + b"x" * 100_000 + b'"}\n',
    "not utf-8": b'{"_index": "\xff\xfe\xc3"}\n',
    "utf-16": '{"_index": 1}'.encode("utf-16") + b"\n",
    "big number": b'{"_index": ' + b"9" * 5000 + b"}\n",
}


@pytest.mark.parametrize("line", HOSTILE_LINES.values(), ids=HOSTILE_LINES)
def test_a_line_that_is_no_record_costs_only_itself(make_tub: MakeTub, line: bytes) -> None:
    folder = make_tub(4)
    catalog = folder / "catalog_0.catalog"
    lines = lines_of(catalog)
    catalog.write_bytes(lines[0] + line + b"".join(lines[1:]))
    tub = Tub(folder)
    assert [record.index for record in tub.records] == [0, 1, 2, 3]
    assert set(tub.skipped_counts()) == {TORN}


HOSTILE_FIELDS = [
    {"index": 1.0},
    {"index": True},
    {"index": "1"},
    {"index": None},
    {"index": float("nan")},
    {"timestamp_ms": float("inf")},
    {"timestamp_ms": None},
    {"timestamp_ms": -1},
    {"timestamp_ms": 10**400},  # an integer no float can hold
    {"image": None},
    {"image": ["1_cam_image_array_.jpg"]},
]


@pytest.mark.parametrize("fields", HOSTILE_FIELDS, ids=str)
def test_a_field_of_another_type_costs_only_its_line(make_tub: MakeTub, fields: dict[str, object]) -> None:
    folder = make_tub(4)
    catalog = folder / "catalog_0.catalog"
    lines = lines_of(catalog)
    catalog.write_bytes(lines[0] + with_fields(lines[1], **fields) + b"".join(lines[2:]))
    tub = Tub(folder)
    assert [record.index for record in tub.records] == [0, 2, 3]
    assert tub.skipped_counts() == {TORN: 1}


def test_the_first_of_two_equal_indexes_counts(make_tub: MakeTub) -> None:
    folder = make_tub(12, per_catalog=1)
    later = folder / "catalog_10.catalog"  # the earlier one as text
    later.write_bytes(with_fields(later.read_bytes(), index=2))
    tub = Tub(folder)
    assert [record.index for record in tub.records] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert tub.records[2].image.name == "2_cam_image_array_.jpg"
    assert tub.skipped_counts() == {"index occurs twice": 1}
    assert tub.skipped[0].where == "catalog_10.catalog line 1"


@pytest.mark.parametrize(
    "name", ["../../x.jpg", "../0_cam_image_array_.jpg", "/etc/passwd", "0_cam_image_array_.jpg\n", "x.jpg", "", "0"]
)
def test_an_image_name_that_leaves_the_tub_is_never_opened(make_tub: MakeTub, name: str) -> None:
    folder = make_tub(3)
    (folder / "0_cam_image_array_.jpg").write_bytes((folder / "images" / "0_cam_image_array_.jpg").read_bytes())
    catalog = folder / "catalog_0.catalog"
    lines = lines_of(catalog)
    catalog.write_bytes(lines[0] + with_fields(lines[1], image=name) + lines[2])
    tub = Tub(folder)
    assert [record.index for record, _ in tub.frames()] == [0, 2]
    assert tub.skipped_counts() == {"image name is not one of a tub": 1}


def test_a_folder_in_place_of_a_catalog_costs_only_its_records(make_tub: MakeTub) -> None:
    folder = make_tub(6, per_catalog=2)
    (folder / "catalog_1.catalog").unlink()
    (folder / "catalog_1.catalog").mkdir()
    tub = Tub(folder)
    assert [record.index for record in tub.records] == [0, 1, 4, 5]
    assert tub.skipped_counts() == {"catalog is unreadable": 1}
    assert tub.uncatalogued == 2


MANIFESTS = {
    "missing": None,
    "empty": b"",
    "four lines": b"[]\n[]\n{}\n{}\n",  # as it is while donkeycar rewrites the fifth
    "half a line": b'[]\n[]\n{}\n{}\n{"paths": ["catalog_0.cat',
    "nul run": b"\0" * 400,
    "no deletions": b"[]\n[]\n{}\n{}\n{}\n",
    "a number": b'[]\n[]\n{}\n{}\n{"deleted_indexes": 4}\n',
    "not a number": b'[]\n[]\n{}\n{}\n{"deleted_indexes": [NaN]}\n',
    "infinity": b'[]\n[]\n{}\n{}\n{"deleted_indexes": [1e999]}\n',
    "deep": b"[]\n[]\n{}\n{}\n" + b"[" * 30_000 + b"\n",
}


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS)
def test_without_a_whole_manifest_every_record_is_read_and_that_is_said(
    make_tub: MakeTub, manifest: bytes | None
) -> None:
    folder = make_tub(5, deleted=[2])
    (folder / "manifest.json").unlink()
    if manifest is not None:
        (folder / "manifest.json").write_bytes(manifest)
    tub = Tub(folder)
    assert len(tub.records) == 5
    assert tub.skipped_counts() == {"manifest is torn, deletions unknown": 1}
