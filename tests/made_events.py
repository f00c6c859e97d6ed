"""An event, snapshots and readings for tests."""

from dataclasses import replace
from typing import Any

import numpy as np

from mle_uvad.edge.alarm import AlarmState
from mle_uvad.edge.evidence import EvidenceState
from mle_uvad.edge.monitor import Reading
from mle_uvad.edge.scorer import FrameScore
from mle_uvad.parts.events.event import Event
from mle_uvad.parts.events.snapshots import Snapshot, SnapshotPaths

EVENT = Event(
    id=1,
    state="open",
    level="WARN",
    worst_level="WARN",
    began_at="2026-01-02T03:04:05.678+00:00",
    duration_s=None,
    pcc=0.51,
    peak_evidence=1.75,
    coverage=0.2,
    peak_coverage=0.25,
    frames=1,
    cause="The lens is obscured on the left, 25 % of the picture.",
    advice="Wipe the lens; the car drives on.",
    picture="lens_events/000001.jpg",
    heat_map="lens_events/000001_map.png",
    worst_picture="",
    worst_heat_map="",
    cleared_by="",
    drive="d",
    model_sha256="m",
    calibrated_at="",
    versions='{"mle_uvad": "0"}',
)


def ended(number: int, **changes: Any) -> Event:
    """Return an event that ended, with the paths of its own snapshot."""
    paths = SnapshotPaths.of(number)
    known: dict[str, Any] = {
        "state": "ended",
        "level": "OK",
        "duration_s": 2.5,
        "picture": paths.frame,
        "heat_map": paths.heat_map,
    }
    return replace(EVENT, id=number, **(known | changes))


def snapshot(number: int, side: int = 32, moment: str = "") -> Snapshot:
    """Return a snapshot of noise, which JPEG cannot compress: some 3 kB."""
    frame = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
    return Snapshot(frame, np.eye(20, dtype=np.float32), SnapshotPaths.of(number, moment))


def cells(rows: slice = slice(0, 5), columns: slice = slice(0, 5)) -> np.ndarray:
    """Return an evidence map with these cells obscured, by default a sixteenth of the lens at the upper left."""
    heat_map = np.zeros((20, 20), np.float32)
    heat_map[rows, columns] = 1
    return heat_map


def reading(
    t_s: float,
    value: float,
    event_id: int = 0,
    *,
    coverage: float = 0.0625,
    status: str = "ok",
    heat_map: np.ndarray | None = None,
) -> Reading:
    """Return a reading as the monitor makes it of a frame."""
    shown = cells() if heat_map is None else heat_map
    return Reading(
        t_s,
        FrameScore("ok", 0.5),
        EvidenceState(status, value, coverage, shown),
        AlarmState(event_id > 0, event_id, t_s if event_id else 0.0, "obscured" if event_id else status),
    )
