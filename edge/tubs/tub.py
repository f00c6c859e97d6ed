"""Reads a Donkeycar v2 tub without donkeycar, damaged or still being written.

Catalog lines are read as text and images by name, so that neither a writer that truncates its manifest nor
a power cut can stop the reader: what cannot be read is skipped, with the reason counted.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import camera_of, frame_fault
from ..read_file import read_file
from .camera_field import find_camera_field
from .catalog_line import read_fields, split_lines
from .find import catalogs_of
from .image import BadImageError, read_image
from .manifest import MANIFEST, MANIFEST_BYTES_MAX, parse_catalogs
from .reasons import why_unusable

LINE_BYTES_MAX = 8 << 20  # a record has some 300 bytes, with an image of 640x480 as numbers 5 MB
KIND_FRAMES = 100  # looked at to find the kind of camera
CATALOG_BYTES_MAX = 128 * 2**20
OVERWRITTEN = "image belongs to a later record"
NOT_ITS_OWN = "image belongs to another record"
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


class Tub:
    """The records of a tub in numeric order, and a list of everything that was skipped.

    `records` holds the records that the owner has not deleted; an image is opened only when its frame is requested.
    `camera` is the field that holds the pictures. `deleted` counts the owner's deletions, `uncatalogued` the images
    that no record names. `keep` names the fields of each line that a record keeps besides its own. Raises InputError
    for a folder that is no tub or holds no record, and where the field of the pictures is not clear.
    """

    def __init__(self, folder: Path | str, camera: str | None = None, keep: tuple[str, ...] = ()) -> None:
        self.folder = Path(folder)
        self._kept_fields = keep
        catalogs = catalogs_of(self.folder)
        self.camera = find_camera_field(self.folder, camera)
        self.skipped: list[Skipped] = []
        self.deleted = 0
        self._left_out: set[Skipped] = set()
        self._fits: tuple[int, int, str | None] | None = None
        self._image_name = re.compile(rf"\d+_{re.escape(self.camera.replace('/', '_'))}_\.(jpg|jpeg|png)")
        listed, deleted_lines = self._read_deletions()
        by_index: dict[int, tuple[Record, str]] = {}
        named: set[str] = set()
        for line, where, number in self._lines(catalogs, listed):
            record = self._parse(line, where)
            if record is None:
                continue
            named.add(record.image.name)
            if number in deleted_lines:
                self.deleted += 1
            else:
                self._keep(by_index, record, where)
        self._require_own_images(by_index)
        self.records = [by_index[index][0] for index in sorted(by_index)]
        self.uncatalogued = len(self._image_names() - named)
        if not self.records:
            raise InputError(self._why_empty())

    def leave_out_others(self, height: int, width: int, kind: str | None = None) -> None:
        """From now on, `frame` takes only frames of this size, and of this kind of camera, `rgb` or `luma`."""
        self._fits = (height, width, kind)

    def require_frames(self, usable: int, needed: int = 1) -> None:
        """Raise InputError with the reasons, commonest first, if skipped records are why there are too few frames."""
        reasons = self._reasons()
        if reasons and usable < needed <= usable + len(reasons):
            raise InputError(why_unusable(self.folder, usable + len(reasons), usable, reasons))

    def frame(self, record: Record) -> NDArray[np.uint8] | None:
        """Return the frame of a record, uint8 [H, W, 3] or [H, W]; None, with an entry in `skipped`, if it is left out.

        It is left out if it cannot be read or, see `leave_out_others`, does not fit.
        """
        try:
            frame = read_image(record.image)
            if self._fits is not None:
                _require_fit(frame, *self._fits)
            return frame
        except BadImageError as fault:
            self.leave_out(record, str(fault))
            return None

    def leave_out(self, record: Record, reason: str) -> None:
        """Count the frame of a record as skipped, once for each reason, however often the drive is played."""
        skip = Skipped(reason, f"images/{record.image.name}")
        if skip not in self._left_out:
            self._left_out.add(skip)
            self.skipped.append(skip)

    def frames(self) -> Iterator[tuple[Record, NDArray[np.uint8]]]:
        """Yield each record whose frame can be read, with the frame."""
        for record in self.records:
            frame = self.frame(record)
            if frame is not None:
                yield record, frame

    def skipped_counts(self) -> dict[str, int]:
        """Return the number of skips by reason."""
        return dict(Counter(skip.reason for skip in self.skipped))

    def _read_deletions(self) -> tuple[list[str], set[int]]:
        """Return the catalogs that donkeycar reads, in its order, and the numbers of the lines over them it skips."""
        try:
            catalogs = parse_catalogs(read_file(self.folder / MANIFEST, MANIFEST_BYTES_MAX))
            return catalogs["paths"], set(catalogs["deleted_indexes"])
        except (OSError, ValueError):
            # A manifest that is being rewritten or was cut: which records the owner deleted is not known.
            self.skipped.append(Skipped("manifest is torn, deletions unknown", MANIFEST))
            return [], set()

    def _keep(self, by_index: dict[int, tuple[Record, str]], record: Record, where: str) -> None:
        """Keep a record. Of two with the same index and image, the later one is believed: it wrote over the image.

        That is what a drive leaves that is recorded over another one: the lines of both, and the images of the last.
        """
        other, other_where = by_index.get(record.index, (None, ""))
        if other is None:
            by_index[record.index] = record, where
        elif other.image != record.image:
            self.skipped.append(Skipped("index occurs twice", where))
        elif record.timestamp_ms >= other.timestamp_ms:
            by_index[record.index] = record, where
            self.skipped.append(Skipped(OVERWRITTEN, other_where))
        else:
            self.skipped.append(Skipped(OVERWRITTEN, where))

    def _require_own_images(self, by_index: dict[int, tuple[Record, str]]) -> None:
        """Leave out records whose image belongs to another: to the one of its number, or else to the latest one."""
        owners: dict[Path, Record] = {}
        for record, _ in by_index.values():
            owners[record.image] = max(owners.get(record.image, record), record, key=_belongs)
        for record, where in list(by_index.values()):
            if owners[record.image] is not record:
                del by_index[record.index]
                self.skipped.append(Skipped(NOT_ITS_OWN, where))

    def _lines(self, catalogs: Sequence[Path], listed: Sequence[str]) -> Iterator[tuple[bytes, str, int | None]]:
        """Yield each line, its place, and its number over the listed catalogs; None where donkeycar never reads it."""
        by_name = {catalog.name: catalog for catalog in catalogs}
        first = 0
        for name in dict.fromkeys((*(name for name in listed if name in by_name), *by_name)):
            try:
                lines, read = split_lines(read_file(by_name[name], CATALOG_BYTES_MAX))
            except OSError:
                self.skipped.append(Skipped("catalog is unreadable", name))
                continue
            counted = read if name in listed else 0
            for number, line in enumerate(lines):
                yield line, f"{name} line {number + 1}", first + number if number < counted else None
            first += read

    def _parse(self, line: bytes, where: str) -> Record | None:
        if not line.endswith(b"\n"):
            # The writer flushes whole lines: what follows the last newline is on its way, or was cut.
            self.skipped.append(Skipped("catalog line is unfinished", where))
            return None
        try:
            if len(line) >= LINE_BYTES_MAX:
                raise ValueError("too long")
            own = ("_index", "_timestamp_ms", "_session_id", self.camera)
            fields = read_fields(line, (*own, *self._kept_fields), lists=self._kept_fields)
            index, timestamp_ms, name = fields["_index"], fields["_timestamp_ms"], fields.get(self.camera, "")
            session_id = str(fields.get("_session_id", ""))
            if not (type(index) is int and type(timestamp_ms) is int and isinstance(name, str)):
                raise TypeError("field of another type")
            if not (0 <= index < WHOLE_MAX and 0 <= timestamp_ms < WHOLE_MAX):
                raise ValueError("field out of range")
        except (ValueError, KeyError, TypeError, RecursionError):
            self.skipped.append(Skipped("catalog line is torn", where))
            return None
        if self.camera not in fields:
            self.skipped.append(Skipped(f"record has no {self.camera}", where))
            return None
        if not self._image_name.fullmatch(name):
            self.skipped.append(Skipped("image name is not one of a tub", where))
            return None
        kept = {key: fields[key] for key in self._kept_fields if key in fields}
        return Record(index, timestamp_ms, session_id, self.folder / "images" / name, kept)

    def _image_names(self) -> set[str]:
        folder = self.folder / "images"
        return {name for name in os.listdir(folder) if self._image_name.fullmatch(name)} if folder.is_dir() else set()

    def _reasons(self) -> list[str]:
        """Return why each record was skipped that was."""
        return [skip.reason for skip in self.skipped if skip.where != MANIFEST]

    def _why_empty(self) -> str:
        if self.deleted:
            return f"all {self.deleted} records of tub {self.folder} are deleted; restore some in the tub manager"
        if reasons := self._reasons():
            return why_unusable(self.folder, len(reasons), 0, reasons)
        return f"tub {self.folder} has no record yet; record a drive first"


def commonest_camera(tub: Tub) -> str | None:
    """Return which kind of camera, `rgb` or `luma`, took most of a hundred evenly spaced frames; None without any."""
    kinds: Counter[str] = Counter()
    for record in tub.records[:: max(1, len(tub.records) // KIND_FRAMES)]:
        with suppress(BadImageError):
            kinds[camera_of(read_image(record.image))] += 1
    return kinds.most_common(1)[0][0] if kinds else None


def _belongs(record: Record) -> tuple[bool, int]:
    """Return the key by which the records of one image compare: its number is the record's, then how late it is."""
    return record.image.name.split("_")[0] == str(record.index), record.timestamp_ms


def _require_fit(frame: NDArray[np.uint8], height: int, width: int, kind: str | None) -> None:
    """Raise BadImageError for a frame of another size, or of another kind of camera."""
    if fault := frame_fault(frame, height, width):
        raise BadImageError(fault.detail)
    if kind is not None and camera_of(frame) != kind:
        raise BadImageError(f"frame is {camera_of(frame)}, most are {kind}")
