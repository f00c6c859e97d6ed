"""What the records of owners' tubs hold: large fields, cameras under another name, drives over each other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.catalog_line import read_fields
from mle_uvad.edge.tubs.tub import Tub, commonest_camera

MakeTub = Callable[..., Path]


def edit_records(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change every record of a tub."""
    catalog = folder / "catalog_0.catalog"
    records = [change(json.loads(line)) for line in catalog.read_text().splitlines()]
    catalog.write_text("".join(json.dumps(record) + "\n" for record in records))


def declare(folder: Path, **types: str) -> None:
    """Write fields and types into the manifest; `__` stands for the slash."""
    lines = (folder / "manifest.json").read_text().splitlines()
    lines[:2] = json.dumps([name.replace("__", "/") for name in types]), json.dumps(list(types.values()))
    (folder / "manifest.json").write_text("\n".join(lines) + "\n")


def rename_camera(folder: Path, field: str) -> None:
    """Record the pictures under another field, with the file names that donkeycar makes of it."""
    ending = f"_{field.replace('/', '_')}_.jpg"
    for image in (folder / "images").iterdir():
        image.rename(image.with_name(image.name.replace("_cam_image_array_.jpg", ending)))

    def change(record: dict[str, Any]) -> dict[str, Any]:
        del record["cam/image_array"]
        return {**record, field: f"{record['_index']}{ending}"}

    edit_records(folder, change)


LARGE = {
    "lidar": [[0.5, number] for number in range(1100)],
    "depth of 640x480": [[1234] * 640] * 480,
    "words": ['a "quoted" word with [ and {'] * 4000,
    "objects": [{"label": "cup", "box": [1, 2, 3, 4]}] * 3000,
    "nested": json.loads("[" * 600 + "]" * 600),
}


@pytest.mark.parametrize("value", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("field", ["a/first", "z/last"])
def test_a_large_field_is_passed_over(make_tub: MakeTub, value: object, field: str) -> None:
    folder = make_tub(3)
    expected = Tub(folder).records
    edit_records(folder, lambda record: dict(sorted({**record, field: value}.items())))
    tub = Tub(folder)
    assert tub.records == expected
    assert tub.skipped == []


def test_donkeycar_itself_writes_large_fields_a_grey_camera_and_another_name(
    tmp_path: Path, moving_frames: Callable[..., list[Any]]
) -> None:
    tub_v2 = pytest.importorskip("donkeycar.parts.tub_v2")
    columns = {
        "lidar/points": "nparray",
        "front": "image_array",
        "imu": "vector",
        "seen": "list",
        "cam/depth": "nparray",
    }
    writer = tub_v2.Tub(str(tmp_path / "data"), list(columns), list(columns.values()))
    frames = [frame[..., 0] for frame in moving_frames(5)]
    for frame in frames:
        given = {"lidar/points": np.ones((1100, 2)), "imu": [0.1] * 6, "seen": ["cup"] * 9, "cam/depth": frame}
        writer.write_record({"front": frame, **given})
    writer.close()
    tub = Tub(tmp_path / "data")
    assert tub.camera == "front"
    assert [frame.shape for _, frame in tub.frames()] == [(120, 160)] * 5
    assert (tub.skipped, tub.uncatalogued, commonest_camera(tub)) == ([], 0, "luma")


@pytest.mark.parametrize(
    "line",
    [
        b'{"_index": 3, "z": [1, 2',
        b'{"_index": 3, "z": [1, "2]}',
        b'{"_index": 3, "z": }',
        b'{"_index": 3} {"_index": 4}',
        b'{"_index": 3, }',
        b'[{"_index": 3}]',
        b'{"_index" 3}',
        b'{"_index": 3, "z": 1]}',
        b'{"_index": 3, "_ti{"_index": 4}',
    ],
)
def test_a_long_line_that_is_no_record_is_refused_as_a_short_one_is(line: bytes) -> None:
    for given in (line, line + b" " * 5000):
        with pytest.raises(ValueError, match=r"expected|Expecting|Extra|Invalid|object|end|Unterminated"):
            read_fields(given, ["_index"])


def test_the_fields_of_a_long_line_are_those_that_json_reads() -> None:
    record = {"a": -1.5e-3, "b": 'x\\"y"ü', "c": [1], "d": True, "e": None, "f": {"a": 9}, "filler": "x" * 5000, "g": 0}
    expected = {**record, "c": None, "f": None}
    del expected["filler"]
    line = json.dumps(record).encode()
    assert read_fields(line, "abcdefg") == expected
    assert read_fields(line, "abcdefg", lists="cf") == {**expected, "c": [1]}
    assert read_fields(b'{"c": [1], "d": [2], "f": {}}', "cdf", lists="cf") == {"c": [1], "d": None, "f": None}


def test_the_only_field_of_pictures_is_the_camera(make_tub: MakeTub) -> None:
    folder = make_tub(3)
    rename_camera(folder, "image")
    declare(folder, image="image_array", user__angle="float", cam__depth="gray16_array")
    tub = Tub(folder)
    assert (tub.camera, len(list(tub.frames())), tub.uncatalogued) == ("image", 3, 0)


def test_of_two_cameras_one_is_asked_for(make_tub: MakeTub) -> None:
    folder = make_tub(3)
    rename_camera(folder, "cam1/image_array")
    declare(folder, cam0__image_array="image_array", cam1__image_array="image_array", user__angle="float")
    with pytest.raises(InputError) as caught:
        Tub(folder)
    assert str(caught.value) == (
        f"{folder} records no cam/image_array; its pictures are cam0/image_array, cam1/image_array;"
        " give --camera cam0/image_array"
    )
    assert len(list(Tub(folder, "cam1/image_array").frames())) == 3
    with pytest.raises(InputError, match=r"record has no cam0/image_array \(3\); give --camera FIELD"):
        Tub(folder, "cam0/image_array")
    with pytest.raises(InputError, match=r"user/angle of .* is of type float"):
        Tub(folder, "user/angle")


def test_a_camera_recorded_as_numbers_says_how_to_record_it(make_tub: MakeTub) -> None:
    folder = make_tub(3)
    declare(folder, cam__image_array="nparray")
    with pytest.raises(InputError) as caught:
        Tub(folder)
    assert str(caught.value) == f"cam/image_array of {folder} is of type nparray; record it as image_array"


def test_of_two_lines_for_one_image_the_later_one_is_believed(make_tub: MakeTub) -> None:
    """A car whose manifest was lost begins at index 0 again: it writes over the images and adds to the catalog."""
    folder = make_tub(10)
    catalog = folder / "catalog_0.catalog"
    lines = catalog.read_text().splitlines()
    second = [
        json.loads(line) | {"_session_id": "second", "_timestamp_ms": 1_800_000_000_000 + 50 * number}
        for number, line in enumerate(lines[:6])
    ]
    for order in (lines + [json.dumps(record) for record in second], [json.dumps(record) for record in second] + lines):
        catalog.write_text("".join(line + "\n" for line in order))
        tub = Tub(folder)
        assert [record.index for record in tub.records] == list(range(10))
        assert [record.session_id for record in tub.records[:6]] == ["second"] * 6
        assert tub.records[5].timestamp_ms == 1_800_000_000_250
        assert {record.session_id for record in tub.records[6:]} == {"23-11-14_0"}
        assert tub.skipped_counts() == {"image belongs to a later record": 6}


@pytest.mark.parametrize(("right", "wrong"), [(3, 7), (7, 3)])
def test_of_two_indexes_for_one_image_that_of_its_name_is_believed(make_tub: MakeTub, right: int, wrong: int) -> None:
    """A line whose record is another's, as a merging tool or a repaired catalog leaves it."""
    folder = make_tub(10)
    catalog = folder / "catalog_0.catalog"
    records = [json.loads(line) for line in catalog.read_text().splitlines()]
    records[wrong]["cam/image_array"] = records[right]["cam/image_array"]
    catalog.write_text("".join(json.dumps(record) + "\n" for record in records))
    tub = Tub(folder)
    assert [record.index for record in tub.records] == [index for index in range(10) if index != wrong]
    assert tub.skipped_counts() == {"image belongs to another record": 1}
    assert tub.skipped[0].where == f"catalog_0.catalog line {wrong + 1}"


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_other_indexes_for_one_image_the_later_record_is_believed(make_tub: MakeTub, order: int) -> None:
    folder = make_tub(10)
    catalog = folder / "catalog_0.catalog"
    records = [json.loads(line) for line in catalog.read_text().splitlines()]
    for index in (4, 5):
        records[index]["cam/image_array"] = "77_cam_image_array_.jpg"
    catalog.write_text("".join(json.dumps(record) + "\n" for record in records[::order]))
    assert [record.index for record in Tub(folder).records] == [0, 1, 2, 3, 5, 6, 7, 8, 9]


def test_frames_of_another_size_or_kind_are_left_out_and_counted_once(
    make_tub: MakeTub, moving_frames: Callable[..., list[Any]]
) -> None:
    frames = moving_frames(12)
    frames[2] = frames[2][..., 0]
    frames[7] = np.ascontiguousarray(frames[7][:60, :80])
    tub = Tub(make_tub(frames))
    assert commonest_camera(tub) == "rgb"
    tub.leave_out_others(120, 160, "rgb")
    for _ in range(2):
        assert [record.index for record, _ in tub.frames()] == [0, 1, 3, 4, 5, 6, 8, 9, 10, 11]
    assert tub.skipped_counts() == {
        "frame is luma, most are rgb": 1,
        "frame is uint8 [60, 80, 3], the model takes uint8 [120, 160, 3]": 1,
    }
