"""The false alarms of the protocol of held-out cars, each with its picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...edge.frame import to_rgb
from ...parts.live.view import paint_heat
from ..protocols.artifact_cache import ArtifactCache
from ..protocols.cars import CarFigures
from ..protocols.detection import false_alarm_frames
from .markdown import image, table

FOLDER = "false_alarms"
SCALE = 2  # of the pictures


@dataclass(frozen=True, eq=False)
class FalseAlarm:
    """The frame at which a false alarm was raised."""

    figures: CarFigures
    passed: str
    t_s: float  # of driving, in the pass
    frame: NDArray[np.uint8]  # [H, W, 3]
    evidence_map: NDArray[np.float32]  # [h, w], 0…1


def find_false_alarms(results: Sequence[CarFigures], artifacts: ArtifactCache) -> Iterator[FalseAlarm]:
    """Find the false alarms that the figures count in the drives and predictions that the cache kept."""
    for figures in results:
        for row in figures.passes:
            if not row.false_alarms:
                continue
            tub, labels, predictions = artifacts.kept(
                figures.detector, f"{figures.car}-{row.passed}", f"{row.passed}-{figures.thresholds}"
            )
            for number in false_alarm_frames(labels, predictions.obscured, predictions.times_s).tolist():
                frame = tub.frame(tub.records[number])
                if frame is not None:
                    t_s = float(predictions.times_s[number])
                    yield FalseAlarm(
                        figures, row.passed, t_s, to_rgb(frame), predictions.maps[number] / np.float32(255)
                    )


def write_false_alarms(alarms: Sequence[FalseAlarm], folder: Path) -> str:
    """Write a picture of each false alarm into `folder`, and return a table of them in Markdown."""
    rows = []
    for number, alarm in enumerate(alarms, start=1):
        path = folder / FOLDER / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        painted = Image.fromarray(alarm.frame)
        paint_heat(painted, alarm.evidence_map)
        painted.resize((SCALE * painted.width, SCALE * painted.height)).save(path)
        figures = alarm.figures
        rows.append(
            (
                figures.car,
                f"{figures.network}, {figures.calibration}, seed {figures.seed}",
                f"{alarm.passed}, {alarm.t_s:.1f} s",
                image(f"{FOLDER}/{path.name}", f"false alarm {number}").strip(),
            )
        )
    return table(("car", "network, calibrated on", "pass and time", "frame and evidence map"), rows)
