"""The reference: median and scale of the feature maps on a clean drive, on the grid of the network."""

import numpy as np
import pytest

from mle_uvad.edge.reference import SCALE_MIN, enlarge, make_reference


def test_a_reference_is_the_middle_and_its_usual_spread(rng: np.random.Generator) -> None:
    feature_maps = rng.normal(0.5, 0.1, (2000, 20, 10, 10)).astype(np.float32)
    feature_maps[:, 3] = 0.25  # a cell that never changes
    feature_maps[:200, 5] = 9.0  # a tenth of the drive is wet
    median, scale = make_reference(feature_maps)
    assert median.dtype == scale.dtype == np.float32
    assert np.abs(median[:3] - 0.5).max() < 0.02
    assert np.abs(scale[:3] - 0.1).max() < 0.02
    assert (median[3] == 0.25).all()
    assert (scale[3] == np.float32(SCALE_MIN)).all()
    assert np.abs(median[5] - 0.5).max() < 0.04
    assert scale[5].max() < 0.15


def test_an_enlarged_reference_goes_evenly_from_cell_to_place(rng: np.random.Generator) -> None:
    coarse = rng.uniform(0, 1, (2, 20, 10, 10)).astype(np.float32)
    fine = enlarge(coarse)
    assert (fine.shape, fine.dtype, fine.flags.c_contiguous) == ((2, 20, 40, 40), np.float32, True)
    assert fine[..., 0, 0] == pytest.approx(coarse[..., 0, 0])  # beyond the outermost centres nothing changes
    # Four by four fine cells share a coarse one; the middle of two centres is their mean.
    middle = (fine[..., 5, 5] + fine[..., 6, 5] + fine[..., 5, 6] + fine[..., 6, 6]) / 4
    assert middle == pytest.approx(coarse[..., 1, 1], abs=0.2)
    assert enlarge(np.full((2, 20, 10, 10), 0.3)) == pytest.approx(0.3)
    ramp = enlarge(np.arange(10.0)[None, :] * np.ones((10, 1)))
    assert np.diff(ramp[20, 2:38]) == pytest.approx(0.25)
