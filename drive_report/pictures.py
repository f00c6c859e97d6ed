"""The pictures of a report, inside its file: read, checked by decoding, and encoded again."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ..edge.tubs.image import BadImageError, read_image
from ..parts.events.snapshots import FOLDER, NAME
from ..parts.live.view import HEAT, HEAT_OPACITY


def snapshot_path(log: Path, name: str) -> Path | None:
    """Return the file of a snapshot that the log names; None unless it is a snapshot's, in the folder beside it."""
    path = log.parent / FOLDER / Path(name).name  # the log may come from anyone: its folders are not followed
    return path if NAME.fullmatch(path.name) and path.is_file() else None


def frame_uri(path: Path | None) -> str | None:
    """Return an image file as a `data:` address; None where it is missing or damaged."""
    pixels = _pixels(path)
    return None if pixels is None else _uri(Image.fromarray(pixels), "JPEG")


def heat_map_uri(path: Path | None) -> str | None:
    """Return an evidence map, stored in grey, as red of that opacity, to lie over the frame; None as for a frame."""
    pixels = _pixels(path)
    if pixels is None:
        return None
    grey = np.asarray(Image.fromarray(pixels).convert("L"))  # a log may come from anyone: it may be in colour
    shade = np.empty((*grey.shape, 4), np.uint8)
    shade[..., :3] = HEAT
    shade[..., 3] = grey * HEAT_OPACITY
    return _uri(Image.fromarray(shade), "PNG")


def _pixels(path: Path | None) -> np.ndarray | None:
    try:
        return None if path is None else read_image(path)
    except BadImageError:
        return None


def _uri(image: Image.Image, kind: str) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=85)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
