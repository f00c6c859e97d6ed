"""Finds the field of a tub's records that holds the camera's picture."""

from pathlib import Path
from typing import Any

from .. import strict_json
from ..errors import InputError
from ..read_file import read_file

CAMERA_FIELD = "cam/image_array"
PICTURE = "image_array"  # donkeycar's type of a field whose pictures are files
LINE_BYTES_MAX, MANIFEST_BYTES_MAX = 1_000_000, 16 * 2**20


def find_camera_field(folder: Path, asked: str | None) -> str:
    """Return the field `asked` for, or else cam/image_array, or else the only one that holds pictures.

    A manifest that cannot be read, or names no picture, leaves the choice as it is. Raises InputError, with the fields
    to choose from, where several hold pictures, and for a field that holds something else.
    """
    types = _field_types(folder)
    pictures = [name for name, kind in types.items() if kind == PICTURE]
    if asked is None and CAMERA_FIELD not in types and len(pictures) == 1:
        return pictures[0]
    field = asked or CAMERA_FIELD
    if field in types and field not in pictures:
        raise InputError(f"{field} of {folder} is of type {types[field]}; record it as {PICTURE}")
    if pictures and field not in pictures:
        raise InputError(
            f"{folder} records no {field}; its pictures are {', '.join(pictures)}; give --camera {pictures[0]}"
        )
    return field


def _field_types(folder: Path) -> dict[str, str]:
    try:
        lines = read_file(folder / "manifest.json", MANIFEST_BYTES_MAX).splitlines()[:2]
        names, kinds = (strict_json.parse(line[:LINE_BYTES_MAX]) for line in lines)
        return {_text(name): _text(kind) for name, kind in zip(names, kinds, strict=True)}
    except (OSError, ValueError, TypeError):
        return {}


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError("no name of a field or type")
    return value
