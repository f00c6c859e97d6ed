"""The fast pictures of training windows are those of the exported graph."""

import numpy as np
import torch

from mle_uvad.training.blur import blurred, smooth_noise
from mle_uvad.training.measured import window_feature_maps
from mle_uvad.training.obscuration import feature_maps, frame_moments


def test_they_are_the_pictures_of_the_graph() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (10, 80, 80)).astype(np.uint8)
    weights = rng.random((2, 10), dtype=np.float32)
    weights /= weights.sum(1, keepdims=True)
    each = frame_moments(torch.from_numpy(frames / np.float32(255)).unsqueeze(1))
    expected = feature_maps((torch.from_numpy(weights) @ each).unsqueeze(0))[0]
    assert abs(window_feature_maps(frames, weights) - expected.numpy()).max() < 1e-4


def test_the_rest_moves_the_mean_and_nothing_else() -> None:
    frames = np.full((10, 80, 80), 100, np.uint8)
    weights = np.full((2, 10), 0.1, np.float32)
    rest = np.full((2, 80, 80), 0.25, np.float32)
    without, moved = window_feature_maps(frames, weights), window_feature_maps(frames, weights, rest)
    assert np.allclose(moved[[0, 10]] - without[[0, 10]], 0.25, atol=1e-6)
    others = [number for number in range(20) if number not in (0, 10)]
    assert np.allclose(moved[others], without[others], atol=1e-4)


def test_a_wide_blur_is_about_a_gaussian_of_its_width() -> None:
    point = np.zeros((80, 80), np.float32)
    point[40, 40] = 1
    columns = np.arange(80)
    for width in (0.5, 1.0, 3.0, 6.0, 11.0):
        spread = blurred(point, width).sum(0)
        middle = (columns * spread).sum() / spread.sum()
        assert abs(np.sqrt((np.square(columns - middle) * spread).sum() / spread.sum()) / width - 1) < 0.08
        assert abs(spread.sum() - 1) < 0.01


def test_smooth_noise_has_deviation_1_and_bumps_of_its_width() -> None:
    rng = np.random.default_rng(0)
    steps = []
    for width in (1.0, 3.0, 10.0):
        fields = np.stack([smooth_noise(rng, 96, width) for _ in range(8)])
        assert np.allclose(fields.std((1, 2)), 1, atol=1e-3)
        steps.append(abs(np.diff(fields, axis=2)).mean())
    assert steps[0] > 2 * steps[1] > 4 * steps[2]
