"""Predictions of a detector for each frame of a drive, stored as one file of arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...edge.atomic_write import atomic_write
from ...edge.monitor import Monitor
from ...edge.tubs.replay import replay
from ...edge.tubs.tub import Tub
from ..simulation.rerendered_drive import driving_s

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """The readings of a drive's frames, in order."""

    times_s: Floats  # [N] seconds of driving
    statuses: NDArray[np.str_]  # [N] of the evidence
    pccs: Floats  # [N], NaN where undefined
    evidence: Floats  # [N], NaN where a frame has no evidence of its own
    obscured: NDArray[np.bool_]  # [N]
    maps: NDArray[np.uint8]  # [N, h, w] evidence map, 255 is 1

    def save(self, path: Path) -> None:
        """Write the file atomically."""
        save_arrays(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what `save` wrote."""
        return cls(**load_arrays(path))


def predict(tub: Tub, monitor: Monitor, progress: Callable[[int, int], None]) -> Predictions:
    """Replay a drive through the monitor, as on the car."""
    rows: list[tuple[str, float, float, bool]] = []  # a reading has 11 kB
    maps: list[NDArray[np.uint8] | None] = []
    for done, (_, reading) in enumerate(replay(tub, monitor), start=1):
        pcc, state = reading.score.pcc, reading.evidence
        value = state.value if state.status == "ok" else np.nan
        rows.append((state.status, np.nan if pcc is None else pcc, value, reading.alarm.obscured))
        maps.append(None if state.map is None else np.rint(state.map.clip(0, 1) * 255).astype(np.uint8))
        progress(done, len(tub.records))
    statuses, pccs, values, obscured = zip(*rows, strict=True)
    nothing = np.zeros(next((each.shape for each in maps if each is not None), (1, 1)), np.uint8)
    return Predictions(
        times_s=driving_s(tub.records),
        statuses=np.array(statuses),
        pccs=np.array(pccs),
        evidence=np.array(values),
        obscured=np.array(obscured),
        maps=np.stack([nothing if each is None else each for each in maps]),
    )


def save_arrays(path: Path, arrays: dict[str, NDArray]) -> None:
    """Write arrays under their names, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_arrays(path: Path) -> dict[str, NDArray]:
    """Read what `save_arrays` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)
