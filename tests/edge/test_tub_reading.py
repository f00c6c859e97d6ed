"""The tub reader on healthy tubs, against donkeycar's own, and on folders that hold none."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.tub import Tub

Frames = Callable[..., list[NDArray[np.uint8]]]
MakeTub = Callable[..., Path]


def refused(folder: Path) -> str:
    """The one line that names the path and says what is wrong."""
    with pytest.raises(InputError) as caught:
        Tub(folder)
    line = str(caught.value)
    assert str(folder) in line
    assert "\n" not in line
    return line


def test_records_come_in_numeric_order_of_catalogs(make_tub: MakeTub) -> None:
    tub = Tub(make_tub(23, per_catalog=2))  # catalog_10 and catalog_11 sort before catalog_2 as text
    assert [record.index for record in tub.records] == list(range(23))
    assert [record.timestamp_ms - tub.records[0].timestamp_ms for record in tub.records[:3]] == [0, 50, 100]
    assert {record.session_id for record in tub.records} == {"23-11-14_0"}
    assert (tub.deleted, tub.uncatalogued, tub.skipped) == (0, 0, [])


def test_frames_are_the_pictures_as_pil_decodes_them(make_tub: MakeTub) -> None:
    tub = Tub(make_tub(5))
    frames = list(tub.frames())
    assert [record for record, _ in frames] == tub.records
    for record, frame in frames:
        assert frame.dtype == np.uint8
        with Image.open(record.image) as image:
            assert np.array_equal(frame, np.asarray(image))
        again = tub.frame(record)
        assert again is not None
        assert np.array_equal(again, frame)


def test_a_grey_jpeg_stays_luma_and_a_png_is_read_by_its_content(
    make_tub: MakeTub, encode: Callable[..., bytes], moving_frames: Frames
) -> None:
    folder = make_tub(2)
    [frame] = moving_frames(1, seed=3)
    (folder / "images" / "0_cam_image_array_.jpg").write_bytes(encode(frame[..., 0]))
    (folder / "images" / "1_cam_image_array_.jpg").write_bytes(encode(frame, "PNG"))  # by content, not by name
    grey, png = (image for _, image in Tub(folder).frames())
    assert grey.shape == (120, 160), "as the camera with IMAGE_DEPTH = 1 gives it to the part"
    with Image.open(folder / "images" / "0_cam_image_array_.jpg") as image:
        assert np.array_equal(grey, np.asarray(image))
    assert np.array_equal(png, frame)


def test_deleted_records_are_left_out_and_counted(make_tub: MakeTub) -> None:
    tub = Tub(make_tub(12, per_catalog=5, deleted=(0, 4, 5, 11)))
    assert [record.index for record in tub.records] == [1, 2, 3, 6, 7, 8, 9, 10]
    assert tub.deleted == 4
    assert tub.uncatalogued == 0


def test_images_that_no_record_names_are_counted(make_tub: MakeTub) -> None:
    folder = make_tub(10, per_catalog=5)
    catalog = folder / "catalog_1.catalog"
    catalog.write_text("".join(catalog.read_text().splitlines(keepends=True)[:2]))
    (folder / "images" / "notes.txt").write_text("not an image of a tub")
    tub = Tub(folder)
    assert len(tub.records) == 7
    assert tub.uncatalogued == 3


@pytest.mark.parametrize("deleted", [(), (0, 7, 8, 21)])
def test_the_indexes_are_those_donkeycar_reads(make_tub: MakeTub, deleted: tuple[int, ...]) -> None:
    tub_v2 = pytest.importorskip("donkeycar.parts.tub_v2")
    folder = make_tub(22, per_catalog=4, deleted=deleted)
    theirs = tub_v2.Tub(str(folder), read_only=True)
    records = [(r["_index"], r["_timestamp_ms"], r["_session_id"], r["cam/image_array"]) for r in theirs]
    theirs.close()
    ours = [(r.index, r.timestamp_ms, r.session_id, r.image.name) for r in Tub(folder).records]
    assert ours == records
    assert len(ours) == 22 - len(deleted)


def test_a_tub_that_donkeycar_writes_is_read_while_it_grows(tmp_path: Path, moving_frames: Frames) -> None:
    tub_v2 = pytest.importorskip("donkeycar.parts.tub_v2")
    columns = {"cam/image_array": "image_array", "user/angle": "float", "user/mode": "str"}
    writer = tub_v2.Tub(str(tmp_path / "data"), list(columns), list(columns.values()), max_catalog_len=40)
    frames = moving_frames(4)
    for count in range(1, 301):
        writer.write_record({"cam/image_array": frames[count % 4], "user/angle": 0.1, "user/mode": "user"})
        if count % 3 == 0:
            tub = Tub(tmp_path / "data")
            assert [record.index for record in tub.records] == list(range(count))
            assert tub.skipped == []
            assert tub.frame(tub.records[-1]) is not None
    writer.delete_records([1, 2])
    writer.close()
    assert len(Tub(tmp_path / "data").records) == 298


def test_what_is_no_tub_is_refused_in_one_line_with_the_path(tmp_path: Path, make_tub: MakeTub) -> None:
    assert "no folder" in refused(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert "is empty" in refused(tmp_path / "empty")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"")
    assert "catalog_0.catalog" in refused(tmp_path / "photos")
    (tmp_path / "data.zip").write_bytes(b"PK")
    assert "is a file" in refused(tmp_path / "data.zip")


def test_a_car_is_refused_with_the_path_of_its_tub(make_tub: MakeTub, tmp_path: Path) -> None:
    data = make_tub(3, name="mycar/data")
    assert str(data) in refused(tmp_path / "mycar")
    assert len(Tub(data).records) == 3


def test_a_tub_without_records_says_why(make_tub: MakeTub) -> None:
    assert "all 4 records" in refused(make_tub(4, name="deleted", deleted=range(4)))
    fresh = make_tub(1, name="fresh")
    (fresh / "catalog_0.catalog").write_bytes(b"")
    assert "no record yet" in refused(fresh)
    torn = make_tub(3, name="torn")
    (torn / "catalog_0.catalog").write_bytes(b"\0\n" * 3)
    assert "catalog line is torn (3)" in refused(torn)


def test_a_manifest_may_name_deleted_indexes_that_no_record_has(make_tub: MakeTub) -> None:
    folder = make_tub(4, deleted=(2, 900))
    assert [record.index for record in Tub(folder).records] == [0, 1, 3]
    last_line = (folder / "manifest.json").read_text().splitlines()[4]
    assert json.loads(last_line)["deleted_indexes"] == [2, 900]  # read, never rewritten
