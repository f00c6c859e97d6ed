"""Tubs decoded once into a flat file of 80×80 grey frames, which training then reads at memory speed.

6400 bytes a frame: 100,000 frames are 640 MB on disk and, read through a memory map, hardly any memory.
"""

import hashlib
import json
import mmap
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain, islice, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..edge.errors import InputError
from ..edge.frame import SIZE, to_grey80
from ..edge.memory import GAP_S
from ..edge.tub import BadImageError, Record, Skipped, Tub, read_image
from ..edge.whole_file import replacing

FRAME_BYTES = SIZE * SIZE
FRAMES_MIN = 64  # fewer cannot train anything
CHUNK_FRAMES = 1024  # decoded between two writes; bounds what waits in memory
RELEASE_FRAMES = 32  # taken from the memory map between two releases of its pages
SAMPLE_FRAMES = 32  # whole camera frames kept with the run: the export is checked on them
DISK_MARGIN_BYTES = 16 * 1024**2

Progress = Callable[[int, int], None]  # (done, total)


@dataclass(frozen=True)
class FrameCache:
    """Grey frames on disk, with what is known about their origin."""

    frames: NDArray[np.uint8]  # [N, 80, 80], read-only view of `mapping`
    mapping: mmap.mmap
    samples: NDArray[np.uint8]  # [S, H, W, 3] whole camera frames, spread over the tubs
    fingerprint: str  # of the images' bytes, their times and their order
    skipped: list[Skipped]
    clock_s: NDArray[np.float64]  # [N] when each frame was seen; increasing, also over pauses and from tub to tub
    starts: NDArray[np.intp]  # [N] the first frame of the stretch that each frame belongs to

    def take(self, numbers: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Copies of these frames, [len(numbers), 80, 80]; ascending numbers read the disk forward."""
        taken = np.empty((len(numbers), SIZE, SIZE), np.uint8)
        # Linux maps up to 2 MB around every page that is touched: 256 frames would make 300 MB resident.
        for start in range(0, len(numbers), RELEASE_FRAMES):
            part = slice(start, start + RELEASE_FRAMES)
            taken[part] = self.frames[numbers[part]]
            self.release()
        return taken

    def release(self) -> None:
        """Hand the pages read so far back to the system, so that resident memory stays bounded."""
        self.mapping.madvise(mmap.MADV_DONTNEED)


def build_cache(tubs: Sequence[Tub], folder: Path, progress: Progress) -> FrameCache:
    """Decode the tubs into `folder`, or open what an earlier call left there for the same content.

    Raises InputError when fewer than 64 frames can be read or the disk is too full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records = [record for tub in tubs for record in tub.records]
    fingerprint = _fingerprint(records)
    data, sidecar = folder / f"{fingerprint}.u8", folder / f"{fingerprint}.json"
    skipped = _skipped_earlier(sidecar, data, len(records))
    if skipped is None:
        _require_space(folder, len(records))
        skipped = _decode(records, data, progress)
        with replacing(sidecar) as draft:
            draft.write_text(json.dumps({number: asdict(skip) for number, skip in skipped.items()}))
    count = data.stat().st_size // FRAME_BYTES
    if count < FRAMES_MIN:
        raise InputError(f"only {count} readable frames, training needs {FRAMES_MIN}; give a longer drive")
    with data.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    frames = np.frombuffer(mapping, np.uint8).reshape(count, SIZE, SIZE)
    clock_s, starts = _stretches([record for number, record in enumerate(records) if number not in skipped])
    return FrameCache(frames, mapping, _samples(records), fingerprint, list(skipped.values()), clock_s, starts)


def _stretches(records: Sequence[Record]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """A clock in seconds over all drives, and for each record the first one of its stretch without a gap."""
    times_s = np.array([record.timestamp_ms for record in records]) / 1000
    steps_s = np.diff(times_s)
    torn = (steps_s < 0) | (steps_s > GAP_S)
    torn |= [before.session_id != after.session_id for before, after in pairwise(records)]
    firsts = np.concatenate([[0], np.flatnonzero(torn) + 1])
    clock_s = np.concatenate([[0.0], np.cumsum(np.where(torn, GAP_S, steps_s))])
    return clock_s, firsts[np.concatenate([[0], np.cumsum(torn)])]


def _skipped_earlier(sidecar: Path, data: Path, records: int) -> dict[int, Skipped] | None:
    """What an earlier decoding passed over, by the record's number; None when there is no whole one."""
    try:
        skipped = {int(number): Skipped(**skip) for number, skip in json.loads(sidecar.read_text()).items()}
        whole = data.stat().st_size == (records - len(skipped)) * FRAME_BYTES
        whole &= all(0 <= number < records for number in skipped)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return skipped if whole else None


def _fingerprint(records: Sequence[Record]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for record in records:
        try:
            # A pipe would make us wait; like a link out of the tub it counts as unreadable.
            data = record.image.read_bytes() if stat.S_ISREG(record.image.lstat().st_mode) else b""
        except OSError:
            data = b""
        when = f"{record.timestamp_ms} {record.session_id}".encode()
        digest.update(len(when).to_bytes(8, "little") + when + len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def _require_space(folder: Path, frames: int) -> None:
    needed, free = frames * FRAME_BYTES + DISK_MARGIN_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"the frame cache of {frames} frames needs {needed / 1e6:.0f} MB, {folder} has {free / 1e6:.0f} MB free;"
            " free some space or give --out on another disk"
        )


def _decode(records: Sequence[Record], data: Path, progress: Progress) -> dict[int, Skipped]:
    skipped: dict[int, Skipped] = {}
    waiting = iter(records)
    done = 0
    # Decoding and the area average leave the interpreter lock: threads use all cores.
    with replacing(data) as draft, draft.open("wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        while chunk := list(islice(waiting, CHUNK_FRAMES)):
            for number, outcome in enumerate(pool.map(_grey_bytes, chunk), start=done):
                if isinstance(outcome, Skipped):
                    skipped[number] = outcome
                else:
                    file.write(outcome)
            done += len(chunk)
            progress(done, len(records))
    return skipped


def _grey_bytes(record: Record) -> bytes | Skipped:
    try:
        frame = read_image(record.image)
    except BadImageError as fault:
        return Skipped(str(fault), f"images/{record.image.name}")
    return np.rint(to_grey80(frame) * 255).astype(np.uint8).tobytes()


def _samples(records: Sequence[Record]) -> NDArray[np.uint8]:
    """Whole frames at even distances, all of the commonest size."""
    frames = list(islice(_spread_out(records), 2 * SAMPLE_FRAMES))
    ((size, _),) = Counter(frame.shape for frame in frames).most_common(1)
    alike = [frame for frame in frames if frame.shape == size]
    return np.stack(alike[:: max(1, len(alike) // SAMPLE_FRAMES)][:SAMPLE_FRAMES])


def _spread_out(records: Sequence[Record]) -> Iterator[NDArray[np.uint8]]:
    step = max(1, len(records) // (2 * SAMPLE_FRAMES))
    # Round after round: those between come only where too few of the first round can be read.
    for record in chain.from_iterable(records[start::step] for start in range(step)):
        try:
            yield read_image(record.image)
        except BadImageError:
            continue
