"""The plot of a drive."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mle_uvad.edge import Thresholds
from mle_uvad.edge.graph import FEATURE_MAPS
from mle_uvad.evaluation.simulation.labels import Label

pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'mle_uvad[report]'")


def draw(path: Path, labels: list[Label], obscured: np.ndarray) -> np.ndarray:
    from mle_uvad.evaluation.report.timeline import draw_timeline

    reference = np.ones((2, FEATURE_MAPS, 10, 10), np.float32)
    thresholds = Thresholds((0.7, 0.8, 1.0), np.zeros((2, 20, 20), np.float32), (1.0, 1.0), 1.0, reference)
    pccs = np.linspace(0.8, 0.9, 200)
    pccs[50:60] = math.nan
    draw_timeline(path, labels, thresholds, pccs, pccs, obscured, 20.0)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_wet_segments_are_shaded_and_alarms_are_marked(tmp_path: Path) -> None:
    nothing, alarm = np.zeros(200, bool), np.zeros(200, bool)
    alarm[100:150] = True
    plain = draw(tmp_path / "plain.png", [], nothing)
    wet = draw(tmp_path / "wet.png", [Label("front_drop", 80, 160, 0.3)], nothing)
    flagged = draw(tmp_path / "flagged.png", [], alarm)

    def bluish(image: np.ndarray) -> int:
        return int(((image[..., 2] - image[..., 0] > 20) & (image[..., 2] > 220)).sum())

    def red(image: np.ndarray) -> int:
        return int(((image[..., 0] > 180) & (image[..., 2] < 80) & (image[..., 1] < 60)).sum())

    assert bluish(wet) > bluish(plain) + 50_000
    assert red(flagged) > red(plain) + 500
