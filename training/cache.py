"""Decodes tubs once into flat files of 80×80 grey frames, which training then reads at memory speed.

6400 bytes a frame: 100,000 frames are 640 MB on disk, and a batch alone is in memory. A file, a shard, holds at most
10,240 frames of one tub and goes by their content. So another tub, or a drive that was added to one, decodes little
else, trainings that share tubs share their shards, and what was interrupted goes on with the shard it stood at.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain, islice, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..edge.atomic_write import atomic_write, sweep_drafts
from ..edge.driving import GAP_S
from ..edge.errors import InputError
from ..edge.frame import SIZE, to_grey80, to_rgb
from ..edge.read_file import read_file
from ..edge.scorer import unscorable
from ..edge.tubs.image import IMAGE_BYTES_MAX, BadImageError, read_image
from ..edge.tubs.reasons import why_unusable
from ..edge.tubs.tub import Record, Skipped, Tub

FRAME_BYTES = SIZE * SIZE
FRAMES_MIN = 64  # fewer cannot train anything
SHARD_RECORDS = 10_240  # of one tub, 66 MB: a car appends all its drives to one tub, which would always be new
CHUNK_FRAMES = 1024  # decoded between two writes; bounds what waits in memory
SAMPLE_FRAMES = 32  # whole camera frames kept with the run: the export is checked on them
UNREADABLE = 2**64 - 1  # in place of a length: not the same as an empty file, the reason of a skip depends on it
DISK_MARGIN_BYTES = 16 * 1024**2
SIDECAR_BYTES_MAX = 8 * 2**20

Progress = Callable[[int, int], None]  # (done, total)


@dataclass(frozen=True)
class FrameCache:
    """Grey frames on disk and their origin. `len` is their number N."""

    shards: Sequence[Path]  # files of frames, in the order of the drives
    firsts: NDArray[np.intp]  # [len(shards)] the number of each shard's first frame
    samples: NDArray[np.uint8]  # [S, H, W, 3] whole camera frames, spread over the tubs
    fingerprint: str  # of the images' bytes, their times and their order
    skipped: list[Skipped]
    clock_s: NDArray[np.float64]  # [N] when each frame was seen; increasing, also over pauses and from tub to tub
    starts: NDArray[np.intp]  # [N] the first frame of the segment that each frame belongs to

    def __len__(self) -> int:
        return len(self.clock_s)

    def take(self, numbers: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Read these frames, [len(numbers), 80, 80]; ascending numbers read the disk forward.

        Raises InputError for a shard that was cut meanwhile, OSError for one that is gone.
        """
        taken = np.empty((len(numbers), SIZE, SIZE), np.uint8)
        cells = np.searchsorted(self.firsts, numbers, side="right") - 1  # passes over shards without a frame
        # Plain reads: a memory map is slower here, and keeps the pages that it read resident.
        for cell in np.unique(cells):
            with self.shards[cell].open("rb", buffering=0) as file:
                for row in np.flatnonzero(cells == cell):
                    file.seek(int(numbers[row] - self.firsts[cell]) * FRAME_BYTES)
                    if file.readinto(taken[row]) != FRAME_BYTES:
                        raise InputError(f"{self.shards[cell]} was cut; give the same command again")
        return taken


def build_cache(tubs: Sequence[Tub], folder: Path, progress: Progress) -> FrameCache:
    """Decode the tubs into `folder`, except for shards that earlier calls left there for the same content.

    `progress` counts the records that are to be decoded. Raises InputError when fewer than 64 frames can be read or
    the disk is too full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        tub.records[start : start + SHARD_RECORDS]
        for tub in tubs
        for start in range(0, len(tub.records), SHARD_RECORDS)
    ]
    names, fingerprint = _fingerprints(parts)
    shards = [folder / f"{name}.u8" for name in names]
    skipped, missing = {}, {}
    sweep_drafts(folder)
    for shard, records in zip(shards, parts, strict=True):
        earlier = _skipped_earlier(shard, len(records))
        if earlier is None:
            missing[shard] = records
        else:
            skipped[shard] = earlier
    if missing:
        _require_space(folder, sum(map(len, missing.values())))
        skipped |= _decode(missing, progress)
    kept = [
        [record for number, record in enumerate(records) if number not in skipped[shard]]
        for shard, records in zip(shards, parts, strict=True)
    ]
    *firsts, count = np.cumsum([0, *map(len, kept)])
    passed_over = [skip for shard in shards for skip in skipped[shard].values()]
    if count < FRAMES_MIN:
        raise InputError(_too_few(tubs, count, [skip.reason for skip in passed_over]))
    samples = _samples(list(chain.from_iterable(kept)))
    clock_s, starts = _segments(list(chain.from_iterable(kept)))
    return FrameCache(shards, np.array(firsts), samples, fingerprint, passed_over, clock_s, starts)


def _too_few(tubs: Sequence[Tub], count: int, decoding: Sequence[str]) -> str:
    """Return why there are too few frames: the reasons for which records were skipped, or a drive that is short."""
    folder = tubs[0].folder if len(tubs) == 1 else f"{len(tubs)} drives"
    reasons = [*decoding, *(skip.reason for tub in tubs for skip in tub.skipped)]
    if count + len(reasons) < FRAMES_MIN:
        return f"only {count} readable frames, training needs {FRAMES_MIN}; give a longer drive than {folder}"
    return f"training needs {FRAMES_MIN} frames, {why_unusable(folder, count + len(reasons), count, reasons)}"


def _segments(records: Sequence[Record]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return a clock in seconds over all drives, and for each record the first of its segment without a gap."""
    times_s = np.array([record.timestamp_ms for record in records]) / 1000
    steps_s = np.diff(times_s)
    torn = (steps_s < 0) | (steps_s > GAP_S)  # as `is_gap`, on an array
    torn |= [before.session_id != after.session_id for before, after in pairwise(records)]
    firsts = np.concatenate([[0], np.flatnonzero(torn) + 1])
    clock_s = np.concatenate([[0.0], np.cumsum(np.where(torn, GAP_S, steps_s))])
    return clock_s, firsts[np.concatenate([[0], np.cumsum(torn)])]


def _sidecar(shard: Path) -> Path:
    return shard.with_suffix(".json")


def _digest_file(shard: Path) -> Path:
    return shard.with_suffix(".blake2b")


def _digest(shard: Path) -> str:
    with shard.open("rb") as file:
        hashed = hashlib.blake2b(digest_size=16)
        while chunk := file.read(2**20):
            hashed.update(chunk)
    return hashed.hexdigest()


def _skipped_earlier(shard: Path, records: int) -> dict[int, Skipped] | None:
    """Return what an earlier decoding skipped, by the record's number; None if there is no complete one."""
    try:
        skipped = {int(number): Skipped(**skip) for number, skip in json.loads(_read(_sidecar(shard))).items()}
        whole = shard.stat().st_size == (records - len(skipped)) * FRAME_BYTES
        whole &= all(0 <= number < records for number in skipped)
        # The right size is not enough: a card that fails reads zeros.
        whole = whole and _read(_digest_file(shard)).decode() == _digest(shard)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return skipped if whole else None


def _read(path: Path) -> bytes:
    return read_file(path, SIDECAR_BYTES_MAX, follow=True)


def _fingerprints(parts: Sequence[Sequence[Record]]) -> tuple[list[str], str]:
    """Fingerprint each part, and all together; the latter does not depend on how they are split."""
    whole, names = hashlib.blake2b(digest_size=16), []
    for records in parts:
        part = hashlib.blake2b(digest_size=16)
        for record in records:
            content = _content(record)
            part.update(content)
            whole.update(content)
        names.append(part.hexdigest())
    return names, whole.hexdigest()


def _content(record: Record) -> bytes:
    data, length = b"", UNREADABLE
    with suppress(OSError):
        data = read_file(record.image, IMAGE_BYTES_MAX)
        length = len(data)
    when = f"{record.timestamp_ms} {record.session_id}".encode(errors="surrogatepass")
    return len(when).to_bytes(8, "little") + when + length.to_bytes(8, "little") + data


def _require_space(folder: Path, frames: int) -> None:
    needed, free = frames * FRAME_BYTES + DISK_MARGIN_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"the frame cache of {frames} frames needs {needed / 1e6:.0f} MB, {folder} has {free / 1e6:.0f} MB free;"
            " free some space or give --out on another disk"
        )


def _decode(missing: dict[Path, list[Record]], progress: Progress) -> dict[Path, dict[int, Skipped]]:
    """Write these shards with their sidecars and return what was skipped in each, by the record's number."""
    skipped: dict[Path, dict[int, Skipped]] = {shard: {} for shard in missing}
    done, total = 0, sum(map(len, missing.values()))
    # Decoding and the area average leave the interpreter lock: threads use all cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for shard, records in missing.items():
            with atomic_write(shard) as draft, draft.open("wb") as file:
                for start in range(0, len(records), CHUNK_FRAMES):
                    chunk = records[start : start + CHUNK_FRAMES]
                    for number, outcome in enumerate(pool.map(_grey_bytes, chunk), start):
                        if isinstance(outcome, Skipped):
                            skipped[shard][number] = outcome
                        else:
                            file.write(outcome)
                    done += len(chunk)
                    progress(done, total)
            with atomic_write(_digest_file(shard)) as draft:
                draft.write_text(_digest(shard))
            with atomic_write(_sidecar(shard)) as draft:
                draft.write_text(json.dumps({number: asdict(skip) for number, skip in skipped[shard].items()}))
    return skipped


def _grey_bytes(record: Record) -> bytes | Skipped:
    try:
        frame = read_image(record.image)
    except BadImageError as fault:
        return Skipped(str(fault), f"images/{record.image.name}")
    grey = to_grey80(frame)
    # The export needs frames that can be scored, and the car scores no others.
    if status := unscorable(float(grey.mean()), float(grey.std())):
        return Skipped(f"image is {status}", f"images/{record.image.name}")
    return np.rint(grey * 255).astype(np.uint8).tobytes()


def _samples(records: Sequence[Record]) -> NDArray[np.uint8]:
    """Sample camera frames at even distances, all of the commonest size."""
    frames = list(islice(_spread_out(records), 2 * SAMPLE_FRAMES))
    ((size, _),) = Counter(frame.shape for frame in frames).most_common(1)
    alike = [frame for frame in frames if frame.shape == size]
    return np.stack(alike[:: max(1, len(alike) // SAMPLE_FRAMES)][:SAMPLE_FRAMES])


def _spread_out(records: Sequence[Record]) -> Iterator[NDArray[np.uint8]]:
    step = max(1, len(records) // (2 * SAMPLE_FRAMES))
    # Round after round: those between come only where too few of the first round can be read.
    for record in chain.from_iterable(records[start::step] for start in range(step)):
        try:
            yield to_rgb(read_image(record.image))
        except BadImageError:
            continue
