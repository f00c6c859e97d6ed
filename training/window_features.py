"""Feature maps of training windows, several times faster than the exported graph computes them.

`obscuration.frame_moments` and `feature_maps` give the same numbers, which a test verifies. The averages over time are
linear, so pooling comes after them here.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..edge.frame import SIZE
from ..edge.graph import FEATURE_MAPS, FEATURE_SIDE
from .obscuration import FLOOR, LOG_SCALE

Floats = NDArray[np.float32]

WHITE = 255
EDGE_SCALES = (1.0, 0.5, 0.5)  # of the curvature and both slopes, which are differences across two pixels


def window_feature_maps(
    frames: NDArray[np.uint8], weights: Floats, residual: Floats | None = None, variance_shares: Floats | None = None
) -> Floats:
    """Compute feature maps [20, 40, 40] in 0…1.2 from the grey frames [K, 80, 80] of a window.

    `weights` [2, K] are those of the frames in the running means, a row for each time constant. Where the frames are a
    sample of all that the car averages, `residual` [2, 80, 80] is the mean of all frames minus the weighted mean of
    these, and `variance_shares` [2] is the share of the variance that the running means of all frames measure.
    """
    grey = frames.astype(np.float32)
    grey *= np.float32(1 / WHITE)
    mean, half_frames = _weighted_means(weights, grey), _pool(grey)  # [2, 80, 80], [K, 40, 40]
    variance = _pool(_weighted_means(weights, np.square(grey, out=grey)) - mean * mean)
    if variance_shares is not None:
        variance *= (variance_shares / (1 - np.square(weights).sum(1)))[:, None, None]
    if residual is not None:
        mean += residual
    half_mean = _pool(mean)  # [2, 40, 40]
    # The edges of full frames are integers: exact, and three times as fast as float32.
    fine = [_pool(edges) for edges in _mean_edges(weights / np.float32(WHITE), frames.astype(np.int16))]
    coarse = _mean_edges(weights, half_frames)
    fixed = [_pool(_curvature(_pad(mean))), _curvature(_pad(half_mean))]
    strengths = np.stack([np.sqrt(np.maximum(variance, 0)), *fine, *coarse, *fixed], 1)  # [2, 9, 40, 40]
    strengths += np.float32(FLOOR)
    logarithms = np.asarray(cv2.log(strengths.reshape(-1, FEATURE_SIDE)), np.float32).reshape(strengths.shape)
    maps = np.concatenate([half_mean[:, None], 1 + logarithms * np.float32(LOG_SCALE)], 1)
    return maps.reshape(FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE)


def _weighted_means(weights: Floats, fields: Floats) -> Floats:
    """Average fields [K, H, W] with weights [2, K], to [2, H, W]."""
    flat = fields.reshape(len(fields), -1)
    means = np.empty((len(weights), flat.shape[1]), np.float32)
    for mean, row in zip(means, weights, strict=True):  # two vector products take a tenth of one matrix product's time
        np.dot(row, flat, out=mean)
    return means.reshape(-1, *fields.shape[1:])


def _pool(fields: Floats) -> Floats:
    """Average fields [N, 80, 80] over 2×2 pixels, to [N, 40, 40]."""
    tall = fields.reshape(-1, SIZE)  # all fields as one tall image, so that OpenCV is called once
    pooled = cv2.resize(tall, (FEATURE_SIDE, len(tall) // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(pooled, np.float32).reshape(-1, FEATURE_SIDE, FEATURE_SIDE)


def _mean_edges(weights: Floats, fields: NDArray) -> list[Floats]:
    """Average the absolute curvature and slopes along x and y of fields [K, S, S], each to [2, S, S]."""
    padded = _pad(fields)
    means = []
    for scale, edges in zip(EDGE_SCALES, (_curvature(padded), _slope_x(padded), _slope_y(padded)), strict=True):
        means.append(_weighted_means(weights * np.float32(scale), edges.astype(np.float32, copy=False)))
    return means


def _pad(fields: NDArray) -> NDArray:
    """Replicate the border of fields [N, S, S], to [N, S + 2, S + 2]."""
    count, side = fields.shape[:2]
    padded = np.empty((count, side + 2, side + 2), fields.dtype)
    padded[:, 1:-1, 1:-1] = fields
    padded[:, 0, 1:-1], padded[:, -1, 1:-1] = fields[:, 0], fields[:, -1]
    padded[:, :, 0], padded[:, :, -1] = padded[:, :, 1], padded[:, :, -2]
    return padded


def _curvature(padded: NDArray) -> NDArray:
    """Compute the absolute Laplacian [N, S, S] of padded fields [N, S + 2, S + 2]."""
    curvature = padded[:, 1:-1, 1:-1] * padded.dtype.type(4)
    for neighbour in (padded[:, 1:-1, 2:], padded[:, 1:-1, :-2], padded[:, 2:, 1:-1], padded[:, :-2, 1:-1]):
        curvature -= neighbour
    return np.abs(curvature, out=curvature)


def _slope_x(padded: NDArray) -> NDArray:
    slope = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    return np.abs(slope, out=slope)


def _slope_y(padded: NDArray) -> NDArray:
    slope = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    return np.abs(slope, out=slope)
