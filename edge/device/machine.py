"""What figures hold for: the board, the versions, the temperature, as far as the system tells."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import Bundle

BOARD_FILE = Path("/proc/device-tree/model")
THERMAL_FOLDER = Path("/sys/class/thermal")
STATUS_FILE = Path("/proc/self/status")


def describe(bundle: Bundle, backend: Any) -> dict[str, str]:
    """Board, system, versions, bundle and backend, by name."""
    board = BOARD_FILE.read_text().rstrip("\0") if BOARD_FILE.is_file() else platform.machine()
    return {
        "board": board,
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "onnxruntime": _version("onnxruntime"),
        "mle_uvad": _version("mle_uvad"),
        "model": bundle.sha256[:12],
        "camera": f"{bundle.width}x{bundle.height}",
        "backend": backend.about,
    }


def load_average() -> str:
    """How many processes wanted to run in the last minute, and on how many cores."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def temperatures() -> dict[str, float]:
    """°C of each thermal zone by its name; empty where the system tells none."""
    found = {}
    for zone in sorted(THERMAL_FOLDER.glob("thermal_zone*")):
        try:
            found[(zone / "type").read_text().strip()] = int((zone / "temp").read_text()) / 1000
        except (OSError, ValueError):  # a Jetson's sensor of a part that sleeps
            continue
    return found


def resident_mb() -> float | None:
    """Resident memory of this process; None where the system does not tell."""
    try:
        lines = STATUS_FILE.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), None)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a build of another name, onnxruntime-gpu say
        return "unknown"
