"""The image sheet: camera frames, their reconstructions and their evidence maps.

Only generated drives are shown, because a recorded drive may show somebody's home.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...edge.frame import to_grey80
from ...training.run import RunFolder
from ..protocols.artifact_cache import ArtifactCache
from ..protocols.figures import EpisodeFigures
from ..simulation.labels import Label
from .plots import new_figure, save_figure


@dataclass(frozen=True, eq=False)
class Example:
    """One frame of an episode with its reconstruction and evidence."""

    title: str
    frame: NDArray[np.uint8]  # [H, W, 3]
    reconstruction: NDArray[np.float32]  # [80, 80], 0…1
    evidence: NDArray[np.float32]  # [h, w], 0…1
    label: Label


def draw_sheet(path: Path, artifacts: ArtifactCache, detector: str, rows: Sequence[EpisodeFigures]) -> None:
    """Draw one row per family: a detected episode of median coverage, and the largest missed one."""
    families = list(dict.fromkeys(row.family for row in rows))
    figure, grid = new_figure(len(families), 6, (12, 1.75 * len(families)))
    for axes in grid.flat:
        axes.axis("off")
    for line, family in zip(grid, families, strict=True):
        mine = sorted((row for row in rows if row.family == family), key=lambda row: row.coverage)
        caught = [row for row in mine if row.delay_s is not None]
        missed = [row for row in mine if row.delay_s is None]
        if caught:
            _draw(line[:3], _example(artifacts, detector, caught[len(caught) // 2]))
        if missed:
            _draw(line[3:], _example(artifacts, detector, missed[-1]))
        else:
            line[4].text(0.5, 0.5, f"no {family.replace('_', ' ')} missed", ha="center", va="center", fontsize="small")
    save_figure(figure, path)


def _example(artifacts: ArtifactCache, detector: str, row: EpisodeFigures) -> Example:
    """Load a frame past the middle of the episode, when the evidence has accumulated."""
    drive, labels, predictions = artifacts.kept(detector, row.passed)
    label = labels[row.number]
    number = label.start_index + (label.end_index - label.start_index) * 6 // 10
    frame = drive.frame(drive.records[number])
    if frame is None:
        raise ValueError(f"{drive.folder} lost frame {number}")
    model = RunFolder(artifacts.run_folder(detector)).load_model()
    with torch.no_grad():
        reconstruction = model(torch.from_numpy(to_grey80(frame))[None, None])[0, 0].numpy()
    fate = "missed" if row.delay_s is None else f"caught after {row.delay_s:.1f} s"
    title = f"{row.family.replace('_', ' ')}, {row.coverage:.0%}, {fate}"
    return Example(title, frame, reconstruction, predictions.maps[number].astype(np.float32) / 255, label)


def _draw(axes: NDArray, example: Example) -> None:
    height, width = example.frame.shape[:2]
    extent = (0, width, height, 0)
    axes[0].imshow(example.frame, extent=extent)
    axes[0].set_title(example.title, fontsize="x-small", loc="left")
    axes[1].imshow(example.reconstruction, cmap="gray", vmin=0, vmax=1, extent=extent)
    axes[1].set_title("reconstruction", fontsize="x-small")
    axes[2].imshow(to_grey80(example.frame), cmap="gray", vmin=0, vmax=1, extent=extent)
    axes[2].imshow(example.evidence, cmap="inferno", vmin=0, vmax=1, alpha=0.65, extent=extent)
    mask = example.label.cells()
    if mask.min() < 0.5 < mask.max():
        rows, columns = (np.arange(20) + 0.5) * height / 20, (np.arange(20) + 0.5) * width / 20
        axes[2].contour(columns, rows, mask, levels=[0.5], colors="cyan", linewidths=1)
    axes[2].set_title("evidence; outline: the fault", fontsize="x-small")
