"""Marks records as deleted in a tub's manifest, as donkeycar's own Tub does, and takes the marks back.

The manifest as it was is kept beside it until `undo`, written before the manifest is: an interruption at any moment
leaves the old manifest or the new one, and the way back from it.
"""

import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..atomic_write import atomic_write, sweep_drafts
from ..errors import InputError
from ..read_file import read_file
from .catalog_line import read_fields, split_lines
from .manifest import CATALOGS_LINE, MANIFEST, MANIFEST_BYTES_MAX, parse_catalogs
from .tub import CATALOG_BYTES_MAX

KEPT = "manifest.json.before_clean"
KEPT_SCHEMA = 1


def read_manifest(folder: Path) -> bytes:
    """Return the manifest of a tub whose records can be marked.

    Raises InputError for one that is torn, and for a tub that holds marks already.
    """
    manifest, kept = _read(folder / MANIFEST), _read_kept(folder)
    _catalogs(folder, manifest)
    if kept is not None and kept["manifest"].encode() != manifest:
        raise InputError(
            f"{folder} is cleaned already, {len(kept['marked'])} records; type: mle-uvad clean"
            f" {shlex.quote(str(folder))} --undo"
        )
    return manifest


def mark_deleted(folder: Path, manifest: bytes, indexes: Iterable[int]) -> list[int]:
    """Mark records as deleted in the manifest that `read_manifest` returned; return the marks that were not there.

    A mark is the number of the record's line, see `parse_catalogs`. Raises InputError if the manifest has changed since
    it was read: a car is recording, or the tub manager was used.
    """
    if _read(folder / MANIFEST) != manifest:
        raise InputError(f"{folder} changed while it was read; stop the car, close the tub manager and try again")
    catalogs, wanted = _catalogs(folder, manifest), set(indexes)
    deleted = set(catalogs["deleted_indexes"])
    lines = enumerate(_indexes_of_lines(folder, catalogs["paths"]))
    marked = sorted({line for line, index in lines if index in wanted} - deleted)
    if not marked:
        return []
    new = _with_deletions(folder, manifest, deleted | set(marked))
    kept = {
        "schema": KEPT_SCHEMA,
        "marked": marked,
        "marked_sha256": hashlib.sha256(new).hexdigest(),
        "manifest": manifest.decode(),
    }
    _write(folder / KEPT, json.dumps(kept).encode())
    _write(folder / MANIFEST, new)
    return marked


def undo(folder: Path) -> int:
    """Take back the marks of `mark_deleted` and return how many they were.

    The manifest gets its former bytes; if it changed since, only the marks are taken from it. Raises InputError for a
    tub without marks.
    """
    kept = _read_kept(folder)
    if kept is None:
        raise InputError(f"{folder} is not cleaned: {KEPT} is absent; there is nothing to undo")
    manifest, former = _read(folder / MANIFEST), kept["manifest"].encode()
    if hashlib.sha256(manifest).hexdigest() == kept["marked_sha256"]:
        _write(folder / MANIFEST, former)
    elif manifest != former:
        deleted = set(_catalogs(folder, manifest)["deleted_indexes"])
        _write(folder / MANIFEST, _with_deletions(folder, manifest, deleted - set(kept["marked"])))
    (folder / KEPT).unlink()
    return len(kept["marked"])


def _catalogs(folder: Path, manifest: bytes) -> dict[str, Any]:
    """Return what the manifest says of the catalogs. Raises InputError for a torn one."""
    try:
        return parse_catalogs(manifest)
    except ValueError:
        raise InputError(
            f"{folder / MANIFEST} is torn, so nothing can be marked in it; copy it from the car again"
        ) from None


def _with_deletions(folder: Path, manifest: bytes, deleted: Iterable[int]) -> bytes:
    """Return the manifest with these deletions, byte for byte as donkeycar writes it."""
    catalogs = {**_catalogs(folder, manifest), "deleted_indexes": sorted(deleted)}
    return b"\n".join([*manifest.split(b"\n")[:CATALOGS_LINE], json.dumps(catalogs).encode(), b""])


def _indexes_of_lines(folder: Path, catalogs: Sequence[str]) -> Iterator[int | None]:
    """Yield the index of the record in each line that donkeycar counts, None for a torn line."""
    for name in catalogs:
        lines, read = split_lines(_read(folder / name, CATALOG_BYTES_MAX))
        for line in lines[:read]:
            try:
                yield read_fields(line, ("_index",)).get("_index")
            except (ValueError, RecursionError):
                yield None


def _read_kept(folder: Path) -> dict[str, Any] | None:
    path = folder / KEPT
    if not path.exists():
        return None
    try:
        kept = json.loads(read_file(path, 3 * MANIFEST_BYTES_MAX))
        if kept["schema"] != KEPT_SCHEMA or not isinstance(kept["manifest"], str):
            raise ValueError("of another schema")
        return {**kept, "marked": [int(index) for index in kept["marked"]], "marked_sha256": kept["marked_sha256"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path} is damaged; restore the records in the tub manager, then delete it") from None


def _read(path: Path, bytes_max: int = MANIFEST_BYTES_MAX) -> bytes:
    try:
        return read_file(path, bytes_max)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); copy it from the car again") from None


def _write(path: Path, content: bytes) -> None:
    sweep_drafts(path)
    with atomic_write(path) as draft:
        draft.write_bytes(content)
