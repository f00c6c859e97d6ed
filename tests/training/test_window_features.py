"""The fast feature maps of training windows equal those of the exported graph."""

import numpy as np
import torch

from mle_uvad.training.obscuration import feature_maps, frame_moments
from mle_uvad.training.window_features import window_feature_maps


def test_the_feature_maps_are_those_of_the_graph() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (10, 80, 80)).astype(np.uint8)
    weights = rng.random((2, 10), dtype=np.float32)
    weights /= weights.sum(1, keepdims=True)
    moments = frame_moments(torch.from_numpy(frames / np.float32(255)).unsqueeze(1))
    expected = feature_maps((torch.from_numpy(weights) @ moments).unsqueeze(0))[0]
    assert abs(window_feature_maps(frames, weights) - expected.numpy()).max() < 1e-4


def test_the_residual_changes_the_mean_and_nothing_else() -> None:
    frames = np.full((10, 80, 80), 100, np.uint8)
    weights = np.full((2, 10), 0.1, np.float32)
    residual = np.full((2, 80, 80), 0.25, np.float32)
    without, shifted = window_feature_maps(frames, weights), window_feature_maps(frames, weights, residual)
    assert np.allclose(shifted[[0, 10]] - without[[0, 10]], 0.25, atol=1e-6)
    others = [number for number in range(20) if number not in (0, 10)]
    assert np.allclose(shifted[others], without[others], atol=1e-4)
