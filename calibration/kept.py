"""Keeps the last calibrations of a car beside the one in force, and puts one of them back.

They are named calibration.json.1, .2 and so on, the newest first; numbers may be missing.
"""

import re
from pathlib import Path

from ..edge.atomic_write import atomic_write
from ..edge.bundle import Bundle
from ..edge.errors import InputError
from ..edge.read_file import read_file
from .calibration import BYTES_MAX, Calibration

KEPT_MAX = 5


def save(calibration: Calibration, path: Path) -> None:
    """Write a calibration, and keep the one that it replaces. Raises InputError when the disk cannot be written."""
    current = _read(path)
    if current is not None:
        numbers = _numbers(path)
        for number in numbers[KEPT_MAX - 1 :]:
            _kept(path, number).unlink()
        for number in reversed(numbers[: KEPT_MAX - 1]):
            _kept(path, number).rename(_kept(path, number + 1))
        _write(_kept(path, 1), current)
    calibration.save(path)


def restore(path: Path, bundle: Bundle) -> Calibration:
    """Put the newest kept calibration that is valid for a bundle back to `path`, and return it.

    The replaced one becomes the oldest of those kept, so that repeated calls go through all of them. Raises
    InputError when there is none.
    """
    numbers = _numbers(path)
    for number in numbers:
        try:
            calibration = Calibration.load(_kept(path, number))
        except InputError:
            continue
        if not calibration.mismatch(bundle, calibration.backend):
            break
    else:
        found = f"none of the {len(numbers)} kept beside {path} is valid for" if numbers else "none is kept for"
        raise InputError(f"no calibration to restore: {found} this bundle; run `mle-uvad calibrate BUNDLE --tub TUB`")
    current = _read(path)
    if current is not None:
        _write(_kept(path, numbers[-1] + 1), current)
    _kept(path, number).replace(path)
    return calibration


def _kept(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _numbers(path: Path) -> list[int]:
    """Return the numbers of the kept files, the newest first."""
    pattern = re.compile(re.escape(path.name) + r"\.([1-9]\d{0,5})")
    names = (entry.name for entry in path.parent.glob("*") if entry.is_file())
    return sorted(int(match[1]) for name in names if (match := pattern.fullmatch(name)))


def _read(path: Path) -> bytes | None:
    """Return the bytes of a calibration, damaged or not; None where there is none that can be read."""
    try:
        return read_file(path, BYTES_MAX, follow=True)
    except OSError:
        return None


def _write(path: Path, data: bytes) -> None:
    with atomic_write(path) as draft:
        draft.write_bytes(data)
