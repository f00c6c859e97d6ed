"""Reads a Donkeycar v2 tub without donkeycar, damaged or still being written.

Catalog lines are read as text and images by name, so that neither a writer that truncates its manifest nor
a power cut can stop the reader: what cannot be read is skipped, with the reason counted.
"""

import io
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import strict_json
from ..errors import InputError

CATALOG_NAME = re.compile(r"catalog_(\d+)\.catalog")
IMAGE_NAME = re.compile(r"\d+_cam_image_array_\.(jpg|jpeg|png)")
LINE_BYTES_MAX = 65_536  # a real record has some 300 bytes
IMAGE_PIXELS_MAX = 4_000_000  # checked before decoding: a small file can claim a huge image
IMAGE_FORMATS = ("JPEG", "PNG")  # what tubs hold; Pillow would hand some of its others to programs outside
IMAGE_ENDS = (b"\xff\xd9", b"IEND\xaeB`\x82")  # Pillow decodes an image that was cut and filled with zeros
WHOLE_MAX = 2**53  # beyond, a float skips integers


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a catalog: the path of its image and when it was taken."""

    index: int
    timestamp_ms: int
    session_id: str
    image: Path
    kept: dict[str, Any] = field(default_factory=dict)  # of the fields to keep, those the line has, unchecked


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line or file of the tub that was skipped, and why."""

    reason: str
    where: str


class BadImageError(Exception):
    """An image that cannot be used; its text is the reason, as it is counted."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image as RGB uint8 [H, W, 3]. Raises BadImageError. Never follows a link out of the tub."""
    try:
        with open(path, "rb", opener=_open_in_place) as file:
            data = file.read()
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
            return np.asarray(image.convert("RGB"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadImageError("image is too large") from None
    except BadImageError:
        raise
    except Exception:  # noqa: BLE001 a damaged file makes a decoder raise AssertionError, TypeError and others
        raise BadImageError("image is torn or no image") from None


def _open_in_place(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)  # do not wait for a pipe
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no file")
    return descriptor


class Tub:
    """The records of a tub in numeric order, and a list of everything that was skipped.

    `records` holds the records that the owner has not deleted; an image is opened only when its frame is requested.
    `deleted` counts the owner's deletions, `uncatalogued` the images that no record names. `keep` names the fields of
    each line that a record keeps besides its own. Raises InputError for a folder that is no tub or holds no record.
    """

    def __init__(self, folder: Path | str, keep: tuple[str, ...] = ()) -> None:
        self.folder = Path(folder)
        self._keep = keep
        catalogs = _catalogs(self.folder)
        self.skipped: list[Skipped] = []
        self.deleted = 0
        deleted_indexes = self._read_deleted_indexes()
        by_index: dict[int, Record] = {}
        named: set[str] = set()
        for catalog in catalogs:
            for number, line in enumerate(self._lines(catalog), start=1):
                record = self._parse(line, f"{catalog.name} line {number}")
                if record is None:
                    continue
                named.add(record.image.name)
                if record.index in deleted_indexes:
                    self.deleted += 1
                elif record.index in by_index:
                    self.skipped.append(Skipped("index occurs twice", f"{catalog.name} line {number}"))
                else:
                    by_index[record.index] = record
        self.records = [by_index[index] for index in sorted(by_index)]
        self.uncatalogued = len(_image_names(self.folder / "images") - named)
        if not self.records:
            raise InputError(self._why_empty())

    def frame(self, record: Record) -> NDArray[np.uint8] | None:
        """Return the RGB frame uint8 [H, W, 3] of a record; None, with an entry in `skipped`, if it cannot be read."""
        try:
            return read_image(record.image)
        except BadImageError as fault:
            self.skipped.append(Skipped(str(fault), f"images/{record.image.name}"))
            return None

    def frames(self) -> Iterator[tuple[Record, NDArray[np.uint8]]]:
        """Yield each record whose frame can be read, with the frame."""
        for record in self.records:
            frame = self.frame(record)
            if frame is not None:
                yield record, frame

    def skipped_counts(self) -> dict[str, int]:
        """Return the number of skips by reason."""
        return dict(Counter(skip.reason for skip in self.skipped))

    def _read_deleted_indexes(self) -> set[int]:
        try:
            last_line = (self.folder / "manifest.json").read_bytes().splitlines()[4]
            return {int(index) for index in strict_json.parse(last_line)["deleted_indexes"]}
        except (OSError, IndexError, KeyError, TypeError, ValueError, OverflowError):
            # A manifest that is being rewritten or was cut: which records the owner deleted is not known.
            self.skipped.append(Skipped("manifest is torn, deletions unknown", "manifest.json"))
            return set()

    def _lines(self, catalog: Path) -> list[bytes]:
        try:
            return catalog.read_bytes().splitlines(keepends=True)
        except OSError:
            self.skipped.append(Skipped("catalog is unreadable", catalog.name))
            return []

    def _parse(self, line: bytes, where: str) -> Record | None:
        if not line.endswith(b"\n"):
            # The writer flushes whole lines: what follows the last newline is on its way, or was cut.
            self.skipped.append(Skipped("catalog line is unfinished", where))
            return None
        try:
            if len(line) > LINE_BYTES_MAX:
                raise ValueError("line is too long")
            fields: dict[str, Any] = strict_json.parse(line)
            index, timestamp_ms, name = fields["_index"], fields["_timestamp_ms"], fields["cam/image_array"]
            session_id = str(fields.get("_session_id", ""))
            if not (type(index) is int and type(timestamp_ms) is int and isinstance(name, str)):
                raise TypeError("field of another type")
            if not (0 <= index < WHOLE_MAX and 0 <= timestamp_ms < WHOLE_MAX):
                raise ValueError("field out of range")
        except (ValueError, KeyError, TypeError):
            self.skipped.append(Skipped("catalog line is torn", where))
            return None
        if not IMAGE_NAME.fullmatch(name):
            self.skipped.append(Skipped("image name is not one of a tub", where))
            return None
        kept = {key: fields[key] for key in self._keep if key in fields}
        return Record(index, timestamp_ms, session_id, self.folder / "images" / name, kept)

    def _why_empty(self) -> str:
        if self.deleted:
            return f"all {self.deleted} records of tub {self.folder} are deleted; restore some in the tub manager"
        if self.skipped:
            return f"tub {self.folder} has no readable record ({len(self.skipped)} skipped); give another tub"
        return f"tub {self.folder} has no record yet; record a drive first"


def _catalogs(folder: Path) -> list[Path]:
    if not folder.exists():
        raise InputError(f"no folder {folder}; give the path of a tub, for example mycar/data")
    if not folder.is_dir():
        raise InputError(f"{folder} is a file, not a tub; give the folder that holds manifest.json")
    numbered = {int(m[1]): path for path in folder.iterdir() if (m := CATALOG_NAME.fullmatch(path.name))}
    if not numbered:
        if (folder / "data" / "manifest.json").exists():
            raise InputError(f"{folder} is a car, not a tub; give {folder / 'data'}")
        seen = "is empty" if not any(folder.iterdir()) else "holds no catalog_0.catalog"
        raise InputError(f"no Donkeycar v2 tub: {folder} {seen}; give the folder that holds manifest.json")
    return [numbered[number] for number in sorted(numbered)]


def _image_names(folder: Path) -> set[str]:
    return {name for name in os.listdir(folder) if IMAGE_NAME.fullmatch(name)} if folder.is_dir() else set()
