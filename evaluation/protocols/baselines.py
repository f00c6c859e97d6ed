"""Inexpensive baselines on the same frames, which the network has to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...edge.frame import SIZE, to_grey80
from ...edge.measures import pearson
from ...edge.tubs.tub import Tub
from ..simulation.rerendered_drive import driving_s
from .metrics import averaged

COMPONENTS = 32  # as many as the autoencoder has latents
FIT_FRAMES = 3000  # at even intervals over the training drive; more do not change the components
SCALE_MIN = 0.05  # log energy; keeps noise in a place that never changes from counting as a deviation
AVERAGING_S = 1.0
TILE = 8  # pixels: 10×10 places
SHARPNESS_FLOOR = 1e-6  # energy added before the logarithm: a flat tile is finite, −13.8
NAMES = ("mean frame", "PCA-32", "Laplacian variance", "worst place")

Floats = NDArray[np.float64]
Images = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Baselines:
    """Parameters fitted to the unlabelled training drive and, for the sharpness of places, to the clean one."""

    mean: Images  # [80, 80]
    components: Images  # [32, 6400]
    place_median: Floats  # [100] log energy
    place_scale: Floats  # [100]


def fit_baselines(training: Tub, clean: Tub) -> Baselines:
    """Fit the principal components to the training frames, and median and scale of the sharpness to the clean ones."""
    step = max(1, len(training.records) // FIT_FRAMES)
    decoded = (training.frame(record) for record in training.records[::step])
    frames = np.stack([to_grey80(frame) for frame in decoded if frame is not None])
    mean = frames.mean(0)
    places = _averaged_sharpness(np.stack(list(map(sharpness_map, _grey(clean)))), driving_s(clean.records))
    return Baselines(
        mean,
        _principal(frames.reshape(len(frames), -1) - mean.ravel()),
        np.median(places, axis=0),
        np.maximum(places.std(0), SCALE_MIN),
    )


def score_baselines(fitted: Baselines, drive: Tub, progress: Callable[[int, int], None]) -> dict[str, Floats]:
    """Return scores [N] by name for every frame of a drive. A higher score means a fault is more likely."""
    mean_frame, pca, laplacian, sharpness = [], [], [], []
    for done, grey in enumerate(_grey(drive), start=1):
        mean_frame.append(-pearson(grey, fitted.mean))
        centred = (grey - fitted.mean).ravel()
        rebuilt = fitted.mean + (fitted.components.T @ (fitted.components @ centred)).reshape(SIZE, SIZE)
        pca.append(-pearson(grey, rebuilt))
        laplacian.append(-float(_laplacian(grey).var()))
        sharpness.append(sharpness_map(grey))
        progress(done, len(drive.records))
    places = _averaged_sharpness(np.stack(sharpness), driving_s(drive.records))
    worst = np.abs((places - fitted.place_median) / fitted.place_scale).max(1)
    return dict(zip(NAMES, map(np.array, (mean_frame, pca, laplacian, worst)), strict=True))


def _grey(drive: Tub) -> Iterator[Images]:
    return (to_grey80(frame) for _, frame in drive.frames())


def _principal(centred: Images) -> Images:
    """Return the first components [32, 6400] of frames [N, 6400], from the smaller of the two Gram matrices."""
    _, vectors = np.linalg.eigh(centred @ centred.T)  # ascending
    leading = centred.T @ vectors[:, -COMPONENTS:]
    return (leading / np.maximum(np.linalg.norm(leading, axis=0), 1e-12)).T.astype(np.float32)


def _laplacian(grey: Images) -> Images:
    padded = np.pad(grey, 1, mode="edge")
    return 4 * grey - (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:])


def _averaged_sharpness(maps: Images, times_s: Floats) -> Floats:
    """Average sharpness maps [N, 10, 10] over time as the car does; return [N, 100]."""
    return averaged(maps.reshape(len(maps), -1).astype(float), times_s, AVERAGING_S)


def sharpness_map(frame: Images) -> Images:
    """Return the log of the mean squared Laplacian of each tile, [10, 10]: low where a drop or a film blurs."""
    energy = np.square(_laplacian(frame)).reshape(SIZE // TILE, TILE, SIZE // TILE, TILE).mean((1, 3))
    return np.log(energy + np.float32(SHARPNESS_FLOOR))
