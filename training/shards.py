"""The files of decoded frames, one for each part of a tub, that go by the content of the part."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..edge.atomic_write import atomic_write, sweep_drafts
from ..edge.errors import InputError
from ..edge.frame import SIZE, to_grey80
from ..edge.read_file import read_file
from ..edge.scorer import unscorable
from ..edge.tubs.image import IMAGE_BYTES_MAX, BadImageError, read_image
from ..edge.tubs.tub import Record, Skipped

FRAME_BYTES = SIZE * SIZE
SHARD_RECORDS = 10_240  # of one tub, 66 MB: a car appends all its drives to one tub, which would always be new
CHUNK_FRAMES = 1024  # decoded between two writes; bounds what waits in memory
UNREADABLE = 2**64 - 1  # in place of a length: not the same as an empty file, the reason of a skip depends on it
DISK_MARGIN_BYTES = 16 * 1024**2
SIDECAR_BYTES_MAX = 8 * 2**20

Progress = Callable[[int, int], None]  # (done, total)


def split(records: Sequence[Record]) -> list[Sequence[Record]]:
    """Split the records of a tub into the parts that become a shard each."""
    return [records[start : start + SHARD_RECORDS] for start in range(0, len(records), SHARD_RECORDS)]


class Fingerprints:
    """Fingerprints parts by the bytes and times of their images, and several parts together.

    The fingerprint of several does not depend on how they are split. Each image is read once.
    """

    def __init__(self) -> None:
        self._whole = hashlib.blake2b(digest_size=16)

    def add_tub(self, parts: Sequence[Sequence[Record]]) -> tuple[list[str], str]:
        """Return the fingerprints of the parts of a tub, and that of the tub."""
        tub, names = hashlib.blake2b(digest_size=16), []
        for records in parts:
            part = hashlib.blake2b(digest_size=16)
            for record in records:
                content = _content(record)
                for hashed in (part, tub, self._whole):
                    hashed.update(content)
            names.append(part.hexdigest())
        return names, tub.hexdigest()

    def whole(self) -> str:
        """Return the fingerprint of all tubs that were added."""
        return self._whole.hexdigest()


def _content(record: Record) -> bytes:
    data, length = b"", UNREADABLE
    with suppress(OSError):
        data = read_file(record.image, IMAGE_BYTES_MAX)
        length = len(data)
    when = f"{record.timestamp_ms} {record.session_id}".encode(errors="surrogatepass")
    return len(when).to_bytes(8, "little") + when + length.to_bytes(8, "little") + data


def decode_missing(
    parts: dict[Path, Sequence[Record]], folder: Path, progress: Progress
) -> dict[Path, dict[int, Skipped]]:
    """Decode the parts whose shards are not in `folder` yet; return what was skipped of each, by the record's number.

    `progress` counts the records that are to be decoded. Raises InputError when the disk is too full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep_drafts(folder)
    earlier = {shard: _skipped_earlier(shard, len(records)) for shard, records in parts.items()}
    skipped = {shard: found for shard, found in earlier.items() if found is not None}
    missing = {shard: records for shard, records in parts.items() if shard not in skipped}
    if missing:
        _require_space(folder, sum(map(len, missing.values())))
        skipped |= _decode(missing, progress)
    return skipped


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


def _require_space(folder: Path, frames: int) -> None:
    needed, free = frames * FRAME_BYTES + DISK_MARGIN_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"the frame cache of {frames} frames needs {needed / 1e6:.0f} MB, {folder} has {free / 1e6:.0f} MB free;"
            " free some space or give --out on another disk"
        )


def _decode(missing: dict[Path, Sequence[Record]], progress: Progress) -> dict[Path, dict[int, Skipped]]:
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
