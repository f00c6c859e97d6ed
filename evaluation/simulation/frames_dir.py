"""Public benchmarks as drives: a folder of numbered frames for each clip, and a truth for each frame.

The layouts of UCSD Ped2, Avenue and UBnormal after their videos were cut into frames:

    FRAMES/CLIP/0001.jpg …              clips and frames in the order of their names

with labels as one of

    LABELS/CLIP.npy, .txt or .csv       a number for each frame, other than 0 where it is abnormal
    LABELS/CLIP_gt/ or CLIP/            a mask for each frame, with a pixel other than 0 where it is abnormal
    FILE.npy, .txt or .csv              the numbers of all clips, one after the other
    FILE.m                              UCSD's: a line for each clip, gt_frame = [61:180, 200:210]
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...edge.errors import InputError
from ...edge.read_file import read_file
from ...edge.tubs.find import by_numbers
from ...edge.tubs.image import IMAGE_BYTES_MAX
from .tub_writer import TubWriter, require_empty

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
TABLES = (".npy", ".txt", ".csv")
HZ = 20.0
START_MS = 1_767_225_600_000  # 2026-01-01 00:00:00 UTC
DRIVER = {"user/angle": 0.0, "user/throttle": 0.0, "user/mode": "user"}  # of each record: nobody drives
RANGE = re.compile(r"gt_frame\s*=\s*\[([^\]]*)\]")

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class FramesDir:
    """A folder of clips and the labels of their frames."""

    folder: Path
    labels: Path

    @cached_property
    def clips(self) -> dict[str, list[Path]]:
        """The frames of each clip, both in the order of their names. Raises InputError for a folder without any."""
        if not self.folder.is_dir():
            raise InputError(f"no folder {self.folder}; give one that holds a folder of numbered frames for each clip")
        folders = sorted(path for path in self.folder.iterdir() if path.is_dir() and not path.name.endswith("_gt"))
        clips = {path.name: frames for path in folders if (frames := _frames(path))}
        if not clips:
            raise InputError(f"{self.folder} holds no folder with pictures; give one with a folder for each clip")
        return clips

    def truth(self) -> Bools:
        """Return whether each frame of all clips is abnormal.

        Raises InputError for labels that cannot be read or do not fit the frames, and where all frames are of one kind.
        """
        counts = [len(frames) for frames in self.clips.values()]
        if self.labels.is_dir():
            parts = [_of_clip(self.labels, name, count) for name, count in zip(self.clips, counts, strict=True)]
        elif self.labels.suffix.lower() == ".m":
            parts = _of_ranges(self.labels, counts)
        else:
            parts = [_table(self.labels, sum(counts))]
        truth = np.concatenate(parts)
        if truth.all() or not truth.any():
            raise InputError(f"{self.labels} calls all {len(truth)} frames alike; an AUC needs both kinds")
        return truth


def write_frames_drive(folder: Path, given: FramesDir, progress: Callable[[int, int], None]) -> Path:
    """Write the clips as one tub, each clip as a session of its own, 20 frames a second."""
    require_empty(folder)
    tub = TubWriter(folder)
    frames = [(number, path) for number, paths in enumerate(given.clips.values()) for path in paths]
    for done, (clip, path) in enumerate(frames):
        time_ms = START_MS + round(1000 * done / HZ)
        tub.add(_read(path), time_ms, f"26-01-01_{clip}", DRIVER)
        progress(done + 1, len(frames))
    tub.close()
    return folder


def _frames(folder: Path) -> list[Path]:
    """Return the pictures in a folder by the numbers in their names: 2 comes before 10."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in FRAME_SUFFIXES]
    return sorted(found, key=lambda path: by_numbers(path.stem))


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(read_file(path, IMAGE_BYTES_MAX, follow=True))) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # noqa: BLE001 a damaged file makes a decoder raise AssertionError, TypeError and others
        raise InputError(f"{path} cannot be read ({error}); leave out this frame and its label") from None


def _of_clip(labels: Path, clip: str, count: int) -> Bools:
    for suffix in TABLES:
        if (path := labels / f"{clip}{suffix}").is_file():
            return _table(path, count)
    for folder in (labels / f"{clip}_gt", labels / clip):
        if masks := _frames(folder) if folder.is_dir() else []:
            _require_count(folder, len(masks), count)
            return np.array([_read(mask).any() for mask in masks])
    raise InputError(
        f"{labels} has no labels for the clip {clip}; add {clip}.npy, {clip}.txt or a folder {clip}_gt of masks"
    )


def _of_ranges(path: Path, counts: Sequence[int]) -> list[Bools]:
    """Read UCSD's file: for each clip the ranges of abnormal frames, counted from 1, ends included."""
    clips = RANGE.findall(path.read_text(errors="replace"))
    _require_count(path, len(clips), len(counts), "clips")
    parts = []
    for text, count in zip(clips, counts, strict=True):
        truth = np.zeros(count, bool)
        for first, last in re.findall(r"(\d+)\s*:\s*(\d+)", text):
            truth[int(first) - 1 : int(last)] = True
        parts.append(truth)
    return parts


def _table(path: Path, count: int) -> Bools:
    try:
        if path.suffix.lower() == ".npy":
            values = np.load(path)  # refuses pickles
        else:
            values = np.array(path.read_text().replace(",", " ").split(), float)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); give one number for each frame") from None
    _require_count(path, values.size, count)
    return np.asarray(values).reshape(-1) != 0


def _require_count(path: Path, found: int, expected: int, of: str = "frames") -> None:
    if found != expected:
        raise InputError(f"{path} labels {found} {of}, there are {expected}; give one label for each")
