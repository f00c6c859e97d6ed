"""Finds the field of a tub's records that holds the camera's picture."""

from pathlib import Path

from ..errors import InputError
from .manifest import read_field_types

CAMERA_FIELD = "cam/image_array"
PICTURE = "image_array"  # donkeycar's type of a field whose pictures are files


def find_camera_field(folder: Path, asked: str | None) -> str:
    """Return the field `asked` for, or else cam/image_array, or else the only one that holds pictures.

    A manifest that cannot be read, or names no picture, leaves the choice as it is. Raises InputError, with the fields
    to choose from, where several hold pictures, and for a field that holds something else.
    """
    types = read_field_types(folder)
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
