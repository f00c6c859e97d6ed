"""Gaussian blur and smooth noise have the widths that are asked for."""

import numpy as np

from mle_uvad.training.blur import blurred, smooth_noise


def test_a_blur_has_about_its_standard_deviation() -> None:
    point = np.zeros((80, 80), np.float32)
    point[40, 40] = 1
    columns = np.arange(80)
    for sigma in (0.5, 1.0, 3.0, 6.0, 11.0):
        profile = blurred(point, sigma).sum(0)
        mean = (columns * profile).sum() / profile.sum()
        assert abs(np.sqrt((np.square(columns - mean) * profile).sum() / profile.sum()) / sigma - 1) < 0.08
        assert abs(profile.sum() - 1) < 0.01


def test_smooth_noise_has_unit_variance_and_bumps_of_its_width() -> None:
    rng = np.random.default_rng(0)
    steps = []
    for width in (1.0, 3.0, 10.0):
        fields = np.stack([smooth_noise(rng, 96, width) for _ in range(8)])
        assert np.allclose(fields.std((1, 2)), 1, atol=1e-3)
        steps.append(abs(np.diff(fields, axis=2)).mean())
    assert steps[0] > 2 * steps[1] > 4 * steps[2]
