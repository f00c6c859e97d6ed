"""The pictures of the events, files beside the log, held below a budget: the oldest go first."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...edge.atomic_write import atomic_write, is_draft

FOLDER = "lens_events"  # beside the log
NAME = re.compile(r"(\d{6,})(?:_worst)?(?:\.jpg|_map\.png)")
PURGE_TO = 0.9  # of the budget, so that not every event has to purge


@dataclass(frozen=True)
class SnapshotPaths:
    """Where the two pictures of a moment lie, relative to the log."""

    picture: str
    heat_map: str

    @classmethod
    def of(cls, event_id: int, moment: str = "") -> "SnapshotPaths":
        """Of the onset, or of the moment `worst`."""
        stem = f"{FOLDER}/{event_id:06d}" + (f"_{moment}" if moment else "")
        return cls(f"{stem}.jpg", f"{stem}_map.png")


@dataclass(frozen=True)
class Snapshot:
    """What is kept of a moment: the camera frame uint8 [H, W(, 3)] and the evidence map [h, w] in 0…1."""

    frame: NDArray[np.uint8]
    heat_map: NDArray[np.float32]
    names: SnapshotPaths


class SnapshotFolder:
    """The pictures beside one log. Once it is made, the thread of the log alone uses it. Raises OSError."""

    def __init__(self, folder: Path, budget_mb: float) -> None:
        self._folder = folder / FOLDER
        self._budget = budget_mb * 1e6
        self._bytes: defaultdict[int, int] = defaultdict(int)  # of each event
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if is_draft(path):  # a power cut left it
                path.unlink()
            elif number := event_id(path):
                self._bytes[number] += path.stat().st_size

    @property
    def last_event_id(self) -> int:
        """The highest event that has pictures here; 0 when there is none."""
        return max(self._bytes, default=0)

    def save(self, snapshot: Snapshot) -> None:
        """Write the clean frame as JPEG and the evidence map as a picture of its size. Raises InputError too."""
        self._folder.mkdir(exist_ok=True)  # not the folder of the log: where a card is gone, none is made in its place
        frame = Image.fromarray(snapshot.frame.squeeze())
        heat = Image.fromarray((snapshot.heat_map * 255).astype(np.uint8))
        heat = heat.resize(frame.size, Image.Resampling.BILINEAR)
        # Whole or not at all: the worst moment is written over an earlier one.
        for image, name, format in ((frame, snapshot.names.picture, "JPEG"), (heat, snapshot.names.heat_map, "PNG")):
            path = self._folder.parent / name
            before = path.stat().st_size if path.exists() else 0
            with atomic_write(path) as draft:
                image.save(draft, format, quality=95)
            self._bytes[event_id(path)] += path.stat().st_size - before

    def last_to_purge(self) -> int:
        """The last event whose pictures have to go for the others to fit; 0 while all fit. Those of the newest stay."""
        left = sum(self._bytes.values())
        if left <= self._budget:
            return 0
        last = 0
        for number in sorted(self._bytes)[:-1]:
            if left <= PURGE_TO * self._budget:
                break
            left, last = left - self._bytes[number], number
        return last

    def purge(self, last: int) -> None:
        """Remove the pictures of all events up to this one."""
        for path in self._folder.iterdir():
            if 0 < (number := event_id(path)) <= last:
                path.unlink()
                self._bytes.pop(number, None)


def event_id(path: Path) -> int:
    """The event that a picture belongs to; 0 for a file that is none of ours."""
    match = NAME.fullmatch(path.name)
    return int(match[1]) if match else 0
