"""The baselines on frames with obvious faults."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.evaluation.protocols.baselines import COMPONENTS, NAMES, Baselines, fit_baselines, score_baselines
from mle_uvad.evaluation.protocols.metrics import auc


@pytest.fixture(scope="module")
def frames(moving_frames: Callable[..., list[np.ndarray]]) -> list[np.ndarray]:
    return moving_frames(240)


@pytest.fixture
def fitted(make_tub: Callable[..., Path], frames: list[np.ndarray]) -> Baselines:
    drive = Tub(make_tub(frames[:160], name="train"))
    return fit_baselines(drive, drive)


def test_fitted_parameters(fitted: Baselines) -> None:
    assert fitted.mean.shape == (80, 80)
    assert fitted.components.shape == (COMPONENTS, 6400)
    assert fitted.components @ fitted.components.T == pytest.approx(np.eye(COMPONENTS), abs=1e-3)
    assert (fitted.place_scale > 0).all()


def test_a_blurred_corner_moves_the_worst_place_and_the_laplacian(
    fitted: Baselines, make_tub: Callable[..., Path], frames: list[np.ndarray]
) -> None:
    wet = [frame.copy() for frame in frames[160:]]
    for frame in wet[40:]:
        frame[:60, :80] = ndimage.gaussian_filter(frame[:60, :80], (3, 3, 0))
    stated: list[int] = []
    scores = score_baselines(fitted, Tub(make_tub(wet, name="wet")), lambda done, total: stated.append(done))
    assert stated[-1] == 80
    assert set(scores) == set(NAMES)
    for name, auc_value in (("worst place", 0.95), ("Laplacian variance", 0.7)):
        assert auc(scores[name][60:], scores[name][:40]) > auc_value
    for values in scores.values():
        assert values.shape == (80,)
        assert np.isfinite(values).all()


def test_pca_reconstructs_training_frames_better_than_the_mean_frame(
    fitted: Baselines, make_tub: Callable[..., Path], frames: list[np.ndarray]
) -> None:
    scores = score_baselines(fitted, Tub(make_tub(frames[:160:4], name="again")), lambda done, total: None)
    assert (scores["PCA-32"] < scores["mean frame"]).all()
