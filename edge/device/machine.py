"""Describes what a measurement holds for: board, versions, temperature, as far as the system reports them."""

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
    """Return board, system, versions, bundle and backend, by name."""
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
    """Return the load average of the last minute and the number of cores."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def temperatures() -> dict[str, float]:
    """Return the temperature of each thermal zone in °C, by its name; empty if the system reports none."""
    found = {}
    for zone in sorted(THERMAL_FOLDER.glob("thermal_zone*")):
        try:
            found[(zone / "type").read_text().strip()] = int((zone / "temp").read_text()) / 1000
        except (OSError, ValueError):  # a Jetson's sensor of a part that sleeps
            continue
    return found


def resident_mb() -> float | None:
    """Return the resident memory of this process in MB; None if the system does not report it."""
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
