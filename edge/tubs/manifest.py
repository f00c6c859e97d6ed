"""Reads manifest.json of a tub: the fields of its records, its catalogs, and which lines of them are deleted."""

from pathlib import Path
from typing import Any

from .. import strict_json
from ..read_file import read_file

MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 16 * 2**20
FIELDS_BYTES_MAX = 1_000_000
CATALOGS_LINE = 4  # after inputs, types, metadata and sessions


def read_field_types(folder: Path) -> dict[str, str]:
    """Return the type of each field of the tub's records; empty if the manifest cannot be read."""
    try:
        lines = read_file(folder / MANIFEST, MANIFEST_BYTES_MAX).splitlines()[:2]
        names, types = (strict_json.parse(line[:FIELDS_BYTES_MAX]) for line in lines)
        return {_text(name): _text(kind) for name, kind in zip(names, types, strict=True)}
    except (OSError, ValueError, TypeError):
        return {}


def parse_catalogs(manifest: bytes) -> dict[str, Any]:
    """Return what the manifest says of the catalogs: their names as `paths`, and `deleted_indexes` among the rest.

    A deleted index is the number of a line over all catalogs, in the order of `paths`, because that is what donkeycar
    skips. It is the `_index` of the record too, unless lines were lost or the tub is a part of a longer one. Raises
    ValueError for a manifest that is torn or names a file outside the tub.
    """
    try:
        catalogs = strict_json.parse(manifest.split(b"\n")[CATALOGS_LINE])
        if not all(type(index) is int for index in catalogs["deleted_indexes"]):
            raise ValueError("an index of another type")
        if not all(isinstance(name, str) and Path(name).name == name for name in catalogs["paths"]):
            raise ValueError("a path of another type")
        return dict(catalogs)
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError("the manifest is torn") from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError("no name of a field or type")
    return value
