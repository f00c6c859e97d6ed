"""labels.json: the records of a drive that show a lens fault, with its family, size and place."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...edge import strict_json
from ...edge.atomic_write import atomic_write
from ...edge.errors import InputError
from ...edge.frame import area_matrix
from ...edge.read_file import read_file

LABELS_NAME = "labels.json"
LABELS_SCHEMA = 2
BYTES_MAX = 64 * 2**20
SETTLED_S = 1.0  # after its onset an episode counts as settled
SAME_S = 1e-6  # times closer than this count as equal
MASK_SIDE = 20  # cells along a side of the mask of a label


@dataclass(frozen=True, slots=True)
class Label:
    """The records of a tub that show an episode, and the mask of its fault."""

    kind: str  # family of the fault
    start_index: int
    end_index: int  # exclusive
    coverage: float  # as rendered, averaged over the episode, 0..1
    mask: tuple[float, ...] = ()  # share obscured of each of 20 x 20 cells, row by row, 0..1; empty: not known
    time_profile: str = "sudden"  # how it developed; `course` in labels.json

    def cells(self) -> NDArray[np.float32]:
        """Return the mask as [20, 20]. Raises ValueError if it is not known."""
        return np.array(self.mask, np.float32).reshape(MASK_SIDE, MASK_SIDE)


def shrunk(mask: NDArray[np.float32]) -> tuple[float, ...]:
    """Average the mask [H, W] of a fault, 0..1, over 20 x 20 cells, as a label stores it."""
    height, width = mask.shape
    cells = area_matrix(height, MASK_SIDE) @ mask @ area_matrix(width, MASK_SIDE).T
    return tuple(np.round(cells.clip(0, 1).astype(float), 3).ravel().tolist())


def write_labels(folder: Path, labels: Sequence[Label], records: int, seed: int) -> None:
    """Write the labels of a drive of `records` records beside it."""
    content = {
        "schema_version": LABELS_SCHEMA,
        "seed": seed,
        "records": records,
        "episodes": [_as_stored(label) for label in labels],
    }
    with atomic_write(folder / LABELS_NAME) as draft:
        draft.write_text(json.dumps(content) + "\n")


def read_labels(folder: Path) -> list[Label]:
    """Read the episodes of a rendered drive in the order of time. Raises InputError."""
    path = folder / LABELS_NAME
    try:
        content = strict_json.parse(read_file(path, BYTES_MAX))
    except FileNotFoundError:
        raise InputError(f"no {path}: only drives with rendered faults have labels") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict) or content.get("schema_version") != LABELS_SCHEMA:
        raise InputError(f"{path} is not of schema version {LABELS_SCHEMA}: make the drive again")
    try:
        labels = [_label(entry, content["records"]) for entry in content["episodes"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} has a bad episode ({error}): make the drive again") from None
    return sorted(labels, key=lambda label: label.start_index)


def _as_stored(label: Label) -> dict[str, Any]:
    stored = asdict(label)
    stored["course"] = stored.pop("time_profile")
    return stored


def _label(entry: dict[str, Any], records: int) -> Label:
    names = {"course" if field.name == "time_profile" else field.name for field in fields(Label)}
    if set(entry) != names:
        raise KeyError(f"fields are {', '.join(entry)}")
    values = {**entry, "mask": tuple(entry["mask"]), "time_profile": entry["course"]}
    del values["course"]
    label = Label(**values)
    indexes = (label.start_index, label.end_index)
    words = (label.kind, label.time_profile)
    if any(type(index) is not int for index in indexes) or not all(isinstance(word, str) for word in words):
        raise TypeError("field of another type")
    if any(type(share) not in (int, float) for share in (label.coverage, *label.mask)):
        raise TypeError("share of another type")
    if not 0 <= label.start_index < label.end_index <= records:
        raise ValueError("records out of range")
    if len(label.mask) not in (0, MASK_SIDE**2) or not all(0 <= share <= 1 for share in (label.coverage, *label.mask)):
        raise ValueError("share out of range")
    return label
