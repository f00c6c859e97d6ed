"""The engine beside the model: `model.engine`, and `model.engine.json`, which says what it was built for.

An engine fits one TensorRT and one kind of GPU, and reading a damaged one can end the process. So TensorRT gets it
only when the sidecar fits this machine and has the sum of these very bytes.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import strict_json
from ..atomic_write import atomic_write
from ..errors import InputError
from ..read_file import read_file

ENGINE_FILE = "model.engine"
SIDECAR_FILE = "model.engine.json"
SCHEMA = 1
ENGINE_BYTES_MAX = 256 * 1024**2
SIDECAR_BYTES_MAX = 4096
PRECISION = "fp32"  # without TF32, whose ten bits do not hold a grey level


@dataclass(frozen=True)
class EngineFor:
    """What an engine is built for: it holds for nothing else."""

    model_sha256: str
    tensorrt: str  # version
    gpu: str
    precision: str = PRECISION


def read_engine(folder: Path, wanted: EngineFor) -> bytes:
    """The engine for this very machine and model. Raises InputError with the reason when another must be built."""
    engine, sidecar = folder / ENGINE_FILE, folder / SIDECAR_FILE
    try:
        if not engine.exists():
            raise InputError("there is none yet")
        if not sidecar.is_file() or sidecar.stat().st_size > SIDECAR_BYTES_MAX:
            raise InputError(f"{SIDECAR_FILE} is missing or not ours")
        facts = strict_json.parse(read_file(sidecar, SIDECAR_BYTES_MAX, follow=True))
        if facts["schema"] != SCHEMA:
            raise InputError(f"{SIDECAR_FILE} has schema {facts['schema']!r}")
        for name, value in asdict(wanted).items():
            if facts[name] != value:
                raise InputError(f"the one there is for {name} {str(facts[name])[:40]}, here it is {value[:40]}")
        if not engine.is_file() or engine.stat().st_size > ENGINE_BYTES_MAX:
            raise InputError(f"{ENGINE_FILE} is no engine")
        plan = read_file(engine, ENGINE_BYTES_MAX, follow=True)
        if hashlib.sha256(plan).hexdigest() != facts["engine_sha256"]:
            raise InputError(f"{ENGINE_FILE} is damaged or of another build")
        return plan
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{SIDECAR_FILE} is damaged ({error!r})") from None


def write_engine(folder: Path, plan: bytes, built_for: EngineFor) -> None:
    """Write both, each whole or not at all. Raises InputError for a folder that cannot be written."""
    with atomic_write(folder / ENGINE_FILE) as draft:
        draft.write_bytes(plan)
    facts = {"schema": SCHEMA, **asdict(built_for), "engine_sha256": hashlib.sha256(plan).hexdigest()}
    with atomic_write(folder / SIDECAR_FILE) as draft:  # after it: until then the engine does not count
        draft.write_text(json.dumps(facts, indent=2))
