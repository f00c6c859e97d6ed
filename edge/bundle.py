"""Loads and verifies a bundle: the folder that goes to the car, with `model.onnx` and `bundle.json`."""

import hashlib
import math
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import strict_json
from .errors import InputError
from .graph import TIME_CONSTANTS_S
from .graph_check import check_graph
from .read_file import read_file
from .reference import Reference, read_reference

SCHEMA = 3
MODEL_FILE = "model.onnx"
# An export puts the model here, then replaces bundle.json, then model.onnx: killed anywhere, it leaves a whole bundle.
NEXT_MODEL_FILE = "model.next.onnx"
FACTS_FILE = "bundle.json"
TARGETS = ("onnx", "pi", "jetson")  # the graph is the same; TensorRT runs a jetson bundle if it is installed
CALIBRATION_FILE = "calibration.json"
IN_A_CAR = Path("models/lens")  # the bundle, unless LENS_BUNDLE says otherwise
FACTS_BYTES_MAX = 262_144
MODEL_BYTES_MAX = 64 * 1024**2
SIDE_MAX = 4096  # of the camera frame, pixels


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. The session is opened from these bytes, never from the file again.

    Example:
        >>> Bundle.load("nowhere")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        InputError: bundle nowhere does not exist; give the folder that `export-model RUN --out BUNDLE` wrote
    """

    folder: Path
    model: bytes
    sha256: str  # of the model, hexadecimal
    height: int  # of the camera frame, pixels
    width: int
    parity: dict[str, Any]
    reference: Reference  # of the training drives; used until there is a calibration
    target: str = "onnx"
    golden_values: list[list[float]] = field(default_factory=list)  # of the desktop, see `parity.golden_values`
    # Log odds of the fast and the slow filter that no clean lens should reach, on any car; None: unknown
    uncalibrated_excess: tuple[float, float] | None = None

    @classmethod
    def load(cls, folder: Path | str) -> "Bundle":
        """Read and verify a bundle. Raises InputError that names what is missing, damaged or of another version."""
        folder = Path(folder)
        try:
            return cls._load(folder)
        except OSError as error:
            raise InputError(f"bundle {folder} cannot be read ({error.strerror}); copy it again") from None

    @classmethod
    def _load(cls, folder: Path) -> "Bundle":
        facts = _read_facts(folder)
        try:
            declared = {name: facts["model"][name] for name in ("sha256", "bytes")}
            fields = _read_fields(facts)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{folder / FACTS_FILE} is damaged ({error!r}); export the bundle again") from None
        model_file, model, sha256 = _read_model(folder, declared["sha256"])
        seen = {"sha256": sha256, "bytes": len(model)}
        for name, value in seen.items():
            if declared[name] != value:
                raise InputError(
                    f"{model_file} is damaged: {name} is {str(value)[:12]}, bundle.json says "
                    f"{str(declared[name])[:12]!r}; export it again or copy it again"
                )
        try:
            check_graph(model, fields["height"], fields["width"])
        except InputError as error:
            raise InputError(f"{model_file} is refused: {error}; export the bundle again") from None
        return cls(folder=folder, model=model, sha256=sha256, **fields)


def _read_model(folder: Path, wanted: Any) -> tuple[Path, bytes, str]:
    """Return path, bytes and SHA-256 of model.onnx; or of the model that an export was killed before it had put there.

    The latter only if its sum is the `wanted` one, that of bundle.json. Raises InputError for a model.onnx that is
    missing or too large, OSError for one that cannot be read.
    """
    path, following = folder / MODEL_FILE, folder / NEXT_MODEL_FILE
    with suppress(OSError):  # nearly always it is not there
        model = read_file(following, MODEL_BYTES_MAX, follow=True)
        if hashlib.sha256(model).hexdigest() == wanted:
            return following, model, wanted
    if not path.is_file():
        raise InputError(f"bundle {folder} has no {MODEL_FILE}; export it again with `export-model RUN`")
    if path.stat().st_size > MODEL_BYTES_MAX:
        raise InputError(f"{path} has more than {MODEL_BYTES_MAX >> 20} MB; mle_uvad does not export such a model")
    model = read_file(path, MODEL_BYTES_MAX, follow=True)
    return path, model, hashlib.sha256(model).hexdigest()


def _read_fields(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what bundle.json says of a bundle, but for its model.

    Raises KeyError, TypeError, ValueError or OverflowError for what cannot be so.
    """
    height, width = int(facts["input"]["height"]), int(facts["input"]["width"])
    if not (0 < height <= SIDE_MAX and 0 < width <= SIDE_MAX):
        raise ValueError(f"input is {width}x{height}")
    if tuple(facts["spans_s"]) != TIME_CONSTANTS_S:
        raise ValueError(f"spans_s is {facts['spans_s']}")
    target = facts.get("target", "onnx")
    if target not in TARGETS:
        raise ValueError(f"target is {target!r}")
    return {
        "height": height,
        "width": width,
        "parity": facts["parity"],
        "reference": read_reference(facts["reference"]),
        "target": target,
        "golden_values": _read_golden_values(facts.get("answers", [])),
        "uncalibrated_excess": _read_excess(facts.get("uncalibrated_excess")),
    }


def _read_golden_values(rows: Any) -> list[list[float]]:
    values = np.array(rows, np.float64).reshape(-1, 3)
    if not np.isfinite(values).all():
        raise ValueError("answers holds a number out of range")
    return values.tolist()


def _read_excess(stated: Any) -> tuple[float, float] | None:
    if stated is None:
        return None
    fast, slow = (float(level) for level in stated)
    if not (0 < fast < math.inf and 0 < slow < math.inf):
        raise ValueError(f"uncalibrated_excess is {stated}")
    return fast, slow


def _read_facts(folder: Path) -> dict[str, Any]:
    facts_file = folder / FACTS_FILE
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"bundle {folder} {problem}; give the folder that `export-model RUN --out BUNDLE` wrote")
    if not facts_file.is_file():
        if (folder / IN_A_CAR / FACTS_FILE).is_file():
            raise InputError(f"{folder} is a car, not a bundle; give {folder / IN_A_CAR}")
        raise InputError(f"{folder} is no bundle: {FACTS_FILE} is missing; make one with `export-model RUN`")
    if facts_file.stat().st_size > FACTS_BYTES_MAX:
        raise InputError(f"{facts_file} has more than {FACTS_BYTES_MAX} bytes; export the bundle again")
    try:
        facts = strict_json.parse(read_file(facts_file, FACTS_BYTES_MAX, follow=True))
        schema = facts["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{facts_file} is damaged ({error!r}); export the bundle again") from None
    if schema != SCHEMA:
        raise InputError(f"{facts_file} has schema {schema!r}, this version reads {SCHEMA}; export the bundle again")
    return facts
