"""Reads one image of a tub, which may be damaged, or may not be an image at all."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..read_file import read_file

IMAGE_BYTES_MAX = 32 * 2**20
IMAGE_PIXELS_MAX = 4_000_000  # checked before decoding: a small file can claim a huge image
IMAGE_FORMATS = ("JPEG", "PNG")  # what tubs hold; Pillow would hand some of its others to programs outside
IMAGE_ENDS = (b"\xff\xd9", b"IEND\xaeB`\x82")  # Pillow decodes an image that was cut and filled with zeros


class BadImageError(Exception):
    """An image that cannot be used; its text is the reason, as it is counted."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image: RGB uint8 [H, W, 3], or luma [H, W] where it has one channel, that is, of a grey camera.

    Raises BadImageError. Never follows a link out of the tub.
    """
    try:
        data = read_file(path, IMAGE_BYTES_MAX)
    except FileNotFoundError:
        raise BadImageError("image is missing") from None
    except OSError:
        raise BadImageError("image is unreadable") from None
    if not data:
        raise BadImageError("image has zero bytes")
    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
            if image.width * image.height > IMAGE_PIXELS_MAX:
                raise BadImageError("image is too large")
            if not data.endswith(IMAGE_ENDS):
                raise BadImageError("image is torn or no image")
            return np.asarray(image if image.mode == "L" else image.convert("RGB"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadImageError("image is too large") from None
    except BadImageError:
        raise
    except Exception:  # noqa: BLE001 a damaged file makes a decoder raise AssertionError, TypeError and others
        raise BadImageError("image is torn or no image") from None


def image_size(path: Path) -> tuple[int, int] | None:
    """Return width and height from the header of an image, without decoding it; None if there is none."""
    try:
        with Image.open(io.BytesIO(read_file(path, IMAGE_BYTES_MAX)), formats=IMAGE_FORMATS) as image:
            return image.size
    except Exception:  # noqa: BLE001 as in `read_image`, which says why
        return None
