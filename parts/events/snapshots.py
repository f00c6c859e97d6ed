"""The snapshots of the events: image files beside the log, kept below a budget by deleting the oldest."""

import re
import stat
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...edge.atomic_write import atomic_write, is_draft
from .event import ID_MAX

FOLDER = "lens_events"  # beside the log
NAME = re.compile(r"(\d{6,})(?:_worst)?(?:\.jpg|_map\.png)")
PURGE_TO = 0.9  # of the budget, so that not every event has to purge


@dataclass(frozen=True)
class SnapshotPaths:
    """Where the two images of a snapshot lie, relative to the folder of the log."""

    frame: str
    heat_map: str

    @classmethod
    def of(cls, event_id: int, moment: str = "") -> "SnapshotPaths":
        """Return the paths for the onset of an event, or for its moment `worst`.

        Example:
            >>> SnapshotPaths.of(7, "worst")
            SnapshotPaths(frame='lens_events/000007_worst.jpg', heat_map='lens_events/000007_worst_map.png')
        """
        stem = f"{FOLDER}/{event_id:06d}" + (f"_{moment}" if moment else "")
        return cls(f"{stem}.jpg", f"{stem}_map.png")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One moment of an event: the camera frame uint8 [H, W(, 3)] and the evidence map [h, w] in 0…1."""

    frame: NDArray[np.uint8]
    heat_map: NDArray[np.float32]
    paths: SnapshotPaths


class SnapshotFolder:
    """The snapshots beside one log, below a budget in megabytes.

    After construction only the thread of the log uses it. Every method raises OSError where the disk fails.
    """

    def __init__(self, folder: Path, budget_mb: float) -> None:
        self._folder = folder / FOLDER
        self._budget = budget_mb * 1e6
        self._bytes: defaultdict[int, int] = defaultdict(int)  # by event
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            found = path.lstat()
            if not stat.S_ISREG(found.st_mode):
                continue  # a folder or a link by the name of a snapshot is none of ours
            if is_draft(path):  # left by a power cut
                path.unlink()
            elif number := event_id(path):
                self._bytes[number] += found.st_size

    @property
    def last_event_id(self) -> int:
        """The highest event with snapshots here; 0 when there is none."""
        return max(self._bytes, default=0)

    def save(self, snapshot: Snapshot) -> None:
        """Write the frame as JPEG and the evidence map, scaled to its size, as PNG. Raises InputError too."""
        # Without parents: if the card with the log is gone, its folder must not be created in its place.
        self._folder.mkdir(mode=0o700, exist_ok=True)
        frame = Image.fromarray(snapshot.frame.squeeze())
        heat = Image.fromarray((snapshot.heat_map * 255).astype(np.uint8))
        heat = heat.resize(frame.size, Image.Resampling.BILINEAR)
        # Atomic, because a new worst moment overwrites the one before.
        for image, name, format in ((frame, snapshot.paths.frame, "JPEG"), (heat, snapshot.paths.heat_map, "PNG")):
            path = self._folder.parent / name
            if path.is_symlink():
                path.unlink()  # else what it points to would be overwritten
            before = path.stat().st_size if path.exists() else 0
            with atomic_write(path) as draft:
                draft.touch(mode=0o600)
                image.save(draft, format, quality=95)
            self._bytes[event_id(path)] += path.stat().st_size - before

    def last_to_purge(self) -> int:
        """Return the last event to purge so that the rest fits; 0 while all fits. The newest is never purged."""
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
        """Delete the snapshots of all events up to and including `last`."""
        for path in self._folder.iterdir():
            if 0 < (number := event_id(path)) <= last and not path.is_dir():
                path.unlink()
                self._bytes.pop(number, None)


def event_id(path: Path) -> int:
    """Return the event that an image belongs to, 0 for a file of any other name or an impossible number."""
    match = NAME.fullmatch(path.name)
    number = int(match[1]) if match else 0
    return number if number <= ID_MAX else 0
