"""Leaves out images of another size than most: a bundle is made for one size of camera frame."""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ..edge.bundle import SIDE_MAX
from ..edge.errors import InputError
from ..edge.tubs.image import image_size
from ..edge.tubs.tub import Record, Skipped, Tub


def leave_out_other_sizes(tubs: Sequence[Tub]) -> list[Tub]:
    """Move the records of images of another size than most, over all tubs, to `skipped`; return the tubs left.

    Images that cannot be read stay; decoding finds out why. Raises InputError for a size that no bundle can take.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sizes = [list(pool.map(_size, tub.records)) for tub in tubs]
    counts = Counter(size for each in sizes for size in each if size is not None)
    if not counts:
        return list(tubs)
    common = counts.most_common(1)[0][0]
    if max(common) > SIDE_MAX:
        raise InputError(
            f"the images are {_text(common)}, a bundle takes {SIDE_MAX} pixels a side; record smaller ones"
        )
    for tub, each in zip(tubs, sizes, strict=True):
        tub.skipped += [
            Skipped(f"image is {_text(size)}, most are {_text(common)}", f"images/{record.image.name}")
            for record, size in zip(tub.records, each, strict=True)
            if size not in (None, common)
        ]
        tub.records = [record for record, size in zip(tub.records, each, strict=True) if size in (None, common)]
    return [tub for tub in tubs if tub.records]


def _size(record: Record) -> tuple[int, int] | None:
    return image_size(record.image)


def _text(size: tuple[int, int] | None) -> str:
    return "x".join(map(str, size or ()))
