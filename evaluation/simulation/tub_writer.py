"""Write Donkeycar v2 tubs in the format of donkeycar 5, without donkeycar."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...edge.atomic_write import atomic_write
from ...edge.errors import InputError
from ...optics import encode_jpeg

CATALOG_RECORDS = 1000
IMAGE = "cam/image_array"
COLUMNS = {IMAGE: "image_array", "user/angle": "float", "user/throttle": "float", "user/mode": "str"}


class TubWriter:
    """Writes a new tub, record by record. The manifest is written last: a folder without one is not read as a tub.

    `columns` names the fields of the records and their types. Raises InputError if the folder holds anything.
    """

    def __init__(self, folder: Path, columns: Mapping[str, str] = COLUMNS) -> None:
        require_empty(folder)
        self.folder = folder
        self._columns = columns
        self._lines: list[str] = []
        self._sessions: list[str] = []
        self._start_s = 0.0
        (folder / "images").mkdir(parents=True, exist_ok=True)

    def add(self, frame: NDArray[np.uint8], timestamp_ms: int, session_id: str, fields: Mapping[str, Any]) -> None:
        """Add a record: the frame uint8 [H, W, 3], which is encoded here, its time and its other fields."""
        index = len(self._lines)
        name = f"{index}_cam_image_array_.jpg"
        (self.folder / "images" / name).write_bytes(encode_jpeg(frame))
        record = {**fields, "_index": index, "_timestamp_ms": timestamp_ms, IMAGE: name}
        if session_id:  # tubs of donkeycar 4.0 have none
            record["_session_id"] = session_id
            if session_id not in self._sessions:
                self._sessions.append(session_id)
        if not index:
            self._start_s = timestamp_ms / 1000
        self._lines.append(json.dumps(record, sort_keys=True) + "\n")

    def close(self) -> int:
        """Write catalogs and manifest, and return the number of records."""
        catalogs = [self._write_catalog(start) for start in range(0, len(self._lines), CATALOG_RECORDS)]
        metadata: dict[str, Any] = {"created_at": self._start_s}
        if self._sessions:
            last = self._sessions[-1]
            number = last.rpartition("_")[2]
            metadata["sessions"] = {
                "all_full_ids": self._sessions,
                "last_id": int(number) if number.isdecimal() else 0,
                "last_full_id": last,
            }
        state = {
            "paths": catalogs,
            "current_index": len(self._lines),
            "max_len": CATALOG_RECORDS,
            "deleted_indexes": [],
        }
        with atomic_write(self.folder / "manifest.json") as draft:
            parts: tuple[Any, ...] = (list(self._columns), list(self._columns.values()), {}, metadata, state)
            draft.write_text("".join(json.dumps(part) + "\n" for part in parts))
        return len(self._lines)

    def _write_catalog(self, start: int) -> str:
        lines = self._lines[start : start + CATALOG_RECORDS]
        name = f"catalog_{start // CATALOG_RECORDS}.catalog"
        (self.folder / name).write_text("".join(lines))
        about = {
            "created_at": self._start_s,
            "line_lengths": [len(line) for line in lines],
            "path": f"{name}_manifest",
            "start_index": start,
        }
        (self.folder / f"{name}_manifest").write_text(json.dumps(about, sort_keys=True) + "\n")
        return name


def require_empty(folder: Path) -> None:
    """Raise InputError for a folder that holds anything."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not an empty folder: delete it or give another name")
