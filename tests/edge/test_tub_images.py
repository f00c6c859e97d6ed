"""Images of a tub that were torn, or made up by somebody: none is decoded wrongly, none stops the reader."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mle_uvad.edge.tubs.image import BadImageError, read_image
from mle_uvad.edge.tubs.tub import Tub

MakeTub = Callable[..., Path]
MovingFrames = Callable[..., list[NDArray[np.uint8]]]
Encode = Callable[..., bytes]


def test_a_zero_byte_image_is_skipped_and_counted(make_tub: MakeTub) -> None:
    folder = make_tub(4)
    (folder / "images" / "1_cam_image_array_.jpg").write_bytes(b"")
    (folder / "images" / "2_cam_image_array_.jpg").unlink()
    tub = Tub(folder)
    assert [record.index for record, _ in tub.frames()] == [0, 3]
    assert tub.skipped_counts() == {"image has zero bytes": 1, "image is missing": 1}
    assert [skip.where for skip in tub.skipped] == [f"images/{index}_cam_image_array_.jpg" for index in (1, 2)]


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("tail", [b"", b"\0"], ids=["cut", "zeroed"])
def test_a_torn_image_is_never_decoded(
    tmp_path: Path, encode: Encode, moving_frames: MovingFrames, format: str, tail: bytes
) -> None:
    data = encode(moving_frames(1)[0], format)
    path = tmp_path / "0_cam_image_array_.jpg"
    cuts = [*range(1, 40), *range(40, len(data), len(data) // 60), *range(len(data) - 40, len(data))]
    for cut in cuts:
        path.write_bytes(data[:cut] + tail * (len(data) - cut))
        with pytest.raises(BadImageError, match="torn"):
            read_image(path)
    path.write_bytes(data)
    assert read_image(path).shape == (120, 160, 3)


@pytest.mark.parametrize("error", [AssertionError(), TypeError("tile"), MemoryError(), KeyError(1), RuntimeError("x")])
def test_whatever_a_decoder_raises_is_an_image_that_cannot_be_used(
    tmp_path: Path, encode: Encode, moving_frames: MovingFrames, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "0_cam_image_array_.jpg"
    path.write_bytes(encode(moving_frames(1)[0], "JPEG"))

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(BadImageError, match="torn"):
        read_image(path)


def test_whatever_stands_in_an_image_nothing_but_its_own_error_is_raised(
    tmp_path: Path, encode: Encode, moving_frames: MovingFrames, rng: np.random.Generator
) -> None:
    path = tmp_path / "0_cam_image_array_.jpg"
    decoded, refused = 0, []
    for format in ("JPEG", "PNG"):
        data = encode(moving_frames(1)[0], format)
        for _ in range(300):
            damaged = bytearray(data)
            for cell in rng.integers(0, rng.choice([700, len(data)]), 3):  # headers as often as the rest
                damaged[cell] = rng.integers(256)
            path.write_bytes(damaged)
            try:
                decoded += read_image(path).ndim == 3
            except BadImageError as fault:
                refused.append(str(fault))
    assert decoded > 50
    assert len(refused) == 600 - decoded
    assert set(refused) <= {"image is torn or no image", "image is too large"}


def test_only_camera_formats_are_decoded(tmp_path: Path, encode: Encode, moving_frames: MovingFrames) -> None:
    # Pillow would hand some of its other formats to programs outside.
    path = tmp_path / "0_cam_image_array_.jpg"
    for format in ("BMP", "GIF", "TIFF", "EPS", "PPM"):
        path.write_bytes(encode(moving_frames(1)[0], format) + b"\xff\xd9")  # with the end of a JPEG
        with pytest.raises(BadImageError, match="no image"):
            read_image(path)


def png_header(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    body = struct.pack(">I", len(head)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = b"IDAT" + zlib.compress(b"\0" * 64)
    body += struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return b"\x89PNG\r\n\x1a\n" + body + b"\0\0\0\0IEND\xaeB`\x82"


def jpeg_header(width: int, height: int, jpeg: bytes) -> bytes:
    cell = jpeg.index(b"\xff\xc0") + 5  # start of frame: length and precision come before the size
    return jpeg[:cell] + struct.pack(">HH", height, width) + jpeg[cell + 4 :]


@pytest.mark.filterwarnings("ignore:Image size")  # as in production: a warning there is no error
@pytest.mark.parametrize("side", [2001, 12_000, 65_500])
def test_a_picture_that_claims_to_be_huge_is_refused_before_decoding(tmp_path: Path, encode: Encode, side: int) -> None:
    path = tmp_path / "0_cam_image_array_.jpg"
    small = encode(np.zeros((120, 160, 3), np.uint8))
    for data in (png_header(side, side), jpeg_header(side, side, small)):
        path.write_bytes(data)
        with pytest.raises(BadImageError, match="too large"):
            read_image(path)


def test_a_link_a_folder_and_a_pipe_in_place_of_an_image_are_not_read(make_tub: MakeTub, tmp_path: Path) -> None:
    folder = make_tub(4)
    images = [folder / "images" / f"{index}_cam_image_array_.jpg" for index in range(4)]
    outside = tmp_path / "outside.jpg"
    images[0].rename(outside)
    images[0].symlink_to(outside)
    images[1].unlink()
    images[1].mkdir()
    images[2].unlink()
    os.mkfifo(images[2])  # nobody writes to it: opening it to read would wait for ever
    tub = Tub(folder)
    assert [record.index for record, _ in tub.frames()] == [3]
    assert tub.skipped_counts() == {"image is unreadable": 3}


def test_a_tub_without_its_images_has_records_but_no_frames(make_tub: MakeTub) -> None:
    folder = make_tub(3)
    (folder / "images").rename(folder / "elsewhere")
    tub = Tub(folder)
    assert len(tub.records) == 3
    assert list(tub.frames()) == []
    assert tub.skipped_counts() == {"image is missing": 3}
