"""Whether a bundle runs on this machine as it did on the desktop, and how fast: a report to paste."""

import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backend import open_backend
from .bundle import Bundle
from .errors import InputError
from .made_up import made_up_frames
from .parity import Differences, compare, compare_answers
from .scorer import Scorer

TIMED = 200
PACED_HZ = 20.0  # the drive loop: caches are colder than back to back, and a clock may drop
BOARD_FILE = Path("/proc/device-tree/model")

Frames = list[NDArray[np.uint8]]


@dataclass(frozen=True)
class Latency:
    """Of `Scorer.score`, in ms."""

    frames: int
    p50: float
    p99: float


@dataclass(frozen=True)
class Verification:
    """What `verify` found."""

    machine: dict[str, str]
    desktop: Differences  # against the answers that the export noted
    ort: Differences | None  # against ONNX Runtime on this machine; None for that itself
    back_to_back: Latency
    paced: Latency

    @property
    def problem(self) -> str:
        """Why the bundle must not be trusted here, in one line; empty when it may."""
        for name, differences in (("the desktop's answers", self.desktop), ("ONNX Runtime here", self.ort)):
            if differences is not None and differences.problem:
                return f"against {name}: {differences.problem}"
        return ""


def verify(
    bundle: Bundle,
    backend: str,
    frames: Frames,
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Verification:
    """Run a bundle with `ort` or `trt` on the made-up frames and on `frames` [H, W, 3], which may be none.

    Raises InputError when the backend cannot be had here, and for a bundle without the desktop's answers.
    """
    if not bundle.answers:
        raise InputError(f"{bundle.folder} is of an older version and has no answers to verify; export it again")
    scorer = Scorer(bundle, open_backend(bundle, backend))
    desktop = compare_answers(scorer)
    frames = frames or made_up_frames(bundle.height, bundle.width)
    ort = compare(scorer, Scorer(bundle, open_backend(bundle, "ort")), frames) if backend != "ort" else None
    scorer.restart()
    back_to_back = _time(scorer, frames, 0.0, clock, sleep)
    paced = _time(scorer, frames, PACED_HZ, clock, sleep)
    return Verification(_machine(bundle, scorer.backend), desktop, ort, back_to_back, paced)


def _time(
    scorer: Scorer, frames: Frames, hz: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Latency:
    began_s, times_ms = clock(), []
    for number in range(TIMED):
        if hz:
            sleep(max(0.0, began_s + number / hz - clock()))
        frame, started_s = frames[number % len(frames)], clock()
        scorer.score(frame, started_s)
        times_ms.append((clock() - started_s) * 1e3)
    p50, p99 = np.percentile(times_ms, [50, 99]).tolist()
    return Latency(TIMED, p50, p99)


def _machine(bundle: Bundle, backend: Any) -> dict[str, str]:
    """What the figures hold for."""
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


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a build of another name, onnxruntime-gpu say
        return "unknown"
