"""Decodes tubs once into flat files of 80×80 grey frames, which training then reads at memory speed.

6400 bytes a frame: 100,000 frames are 640 MB on disk, and a batch alone is in memory. A file, a shard, holds at most
10,240 frames of one tub and goes by their content. So another tub, or a drive that was added to one, decodes little
else, trainings that share tubs share their shards, and what was interrupted goes on with the shard it stood at.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..edge.driving import GAP_S
from ..edge.errors import InputError
from ..edge.frame import SIZE, to_rgb
from ..edge.tubs.image import BadImageError, read_image
from ..edge.tubs.reasons import why_unusable
from ..edge.tubs.tub import Record, Skipped, Tub
from .shards import FRAME_BYTES, Fingerprints, Progress, decode_missing, split

FRAMES_MIN = 64  # fewer cannot train anything
REPEATED_SHARE_MAX = 0.5  # of the frames; a drive with a few frozen stretches can still be learnt from
PAIRS = 256  # of consecutive frames, compared to find that share
SAMPLE_FRAMES = 32  # whole camera frames kept with the run: the export is checked on them


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
    decoded, fingerprint = _decode(tubs, folder, progress)
    return _join(decoded, fingerprint)


def build_caches(tubs: Sequence[Tub], folder: Path, progress: Progress) -> tuple[FrameCache, list[FrameCache]]:
    """Decode the tubs as `build_cache` does; return the cache of all, and one of each. Each image is read once.

    Raises InputError when fewer than 64 frames of any tub can be read or the disk is too full.
    """
    decoded, fingerprint = _decode(tubs, folder, progress)
    return _join(decoded, fingerprint), [_join([each], each.fingerprint) for each in decoded]


def require_live(cache: FrameCache) -> None:
    """Raise InputError if most frames repeat the one before: the camera froze, and nothing can be learnt from that."""
    first = np.linspace(0, len(cache) - 2, min(PAIRS, len(cache) - 1)).astype(np.intp)
    repeated = float((cache.take(first) == cache.take(first + 1)).all(axis=(1, 2)).mean())
    if repeated > REPEATED_SHARE_MAX:
        raise InputError(f"{repeated:.0%} of the frames repeat the one before: the camera froze; record another drive")


@dataclass(frozen=True)
class _Decoded:
    """A tub whose frames are on disk."""

    tub: Tub
    fingerprint: str
    shards: Sequence[Path]
    kept: Sequence[Sequence[Record]]  # of each shard
    skipped: Sequence[Skipped]


def _decode(tubs: Sequence[Tub], folder: Path, progress: Progress) -> tuple[list[_Decoded], str]:
    """Decode what is missing; return the tubs, and the fingerprint of all."""
    fingerprints = Fingerprints()
    found = []
    for tub in tubs:
        parts = split(tub.records)
        names, fingerprint = fingerprints.add_tub(parts)
        found.append((tub, fingerprint, [folder / f"{name}.u8" for name in names], parts))
    all_parts = {shard: part for *_, shards, parts in found for shard, part in zip(shards, parts, strict=True)}
    skipped = decode_missing(all_parts, folder, progress)
    decoded = []
    for tub, fingerprint, shards, parts in found:
        kept = [
            [record for number, record in enumerate(part) if number not in skipped[shard]]
            for shard, part in zip(shards, parts, strict=True)
        ]
        passed_over = [skip for shard in shards for skip in skipped[shard].values()]
        decoded.append(_Decoded(tub, fingerprint, shards, kept, passed_over))
    return decoded, fingerprints.whole()


def _join(decoded: Sequence[_Decoded], fingerprint: str) -> FrameCache:
    """Return the cache of these tubs. Raises InputError when they have too few frames."""
    skipped = [skip for each in decoded for skip in each.skipped]
    kept = [part for each in decoded for part in each.kept]
    *firsts, count = np.cumsum([0, *map(len, kept)])
    if count < FRAMES_MIN:
        raise InputError(_too_few([each.tub for each in decoded], count, [skip.reason for skip in skipped]))
    records = list(chain.from_iterable(kept))
    clock_s, starts = _segments(records)
    shards = [shard for each in decoded for shard in each.shards]
    return FrameCache(shards, np.array(firsts), _samples(records), fingerprint, skipped, clock_s, starts)


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
