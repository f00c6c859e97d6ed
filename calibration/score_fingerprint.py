"""What the scores of a drive rest on, as a fingerprint: scores of an earlier call are believed only while it fits."""

import hashlib
from pathlib import Path
from typing import Any

from ..edge.bundle import FACTS_FILE, MODEL_FILE
from ..edge.read_file import read_file, real_path
from ..edge.tubs.scores import SCORES_BYTES_MAX
from ..edge.tubs.tub import Tub


def fingerprint_of_inputs(drive: Tub, bundle: Path, calibration: Path | None) -> dict[str, Any]:
    """Describe all that scores depend on: the drive, bundle.json and the model, the calibration file.

    Of the images the sizes and times count, not the bytes: a drive holds gigabytes of them.
    """
    return {
        "tub": str(real_path(drive.folder)),
        "drive": _fingerprint_of_drive(drive),
        "bundle": [fingerprint_of_file(bundle / name) for name in (FACTS_FILE, MODEL_FILE)],
        "calibration": None if calibration is None else fingerprint_of_file(calibration),
    }


def fingerprint_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal; empty where it cannot be read or is larger than any scores."""
    try:
        return hashlib.sha256(read_file(path, SCORES_BYTES_MAX, follow=True)).hexdigest()
    except OSError:
        return ""


def _fingerprint_of_drive(drive: Tub) -> str:
    hashed = hashlib.sha256(f"{drive.deleted} {drive.skipped_counts()}\n".encode())
    for record in drive.records:
        try:
            found = record.image.lstat()
            image = (found.st_size, found.st_mtime_ns)
        except OSError:
            image = (-1, -1)
        line = (record.index, record.timestamp_ms, record.session_id, record.image.name, *image)
        hashed.update(f"{line!r}\n".encode())
    return hashed.hexdigest()
