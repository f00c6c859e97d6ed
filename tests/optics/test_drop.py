"""FrontDrop and the camera behind it: properties that hold for every drop."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.optics import FrontDrop, expose, sensor_noise

Picture = NDArray[np.uint8]


def stripes(low: int = 60, high: int = 180) -> Picture:
    """Vertical stripes 4 wide, uint8 [120, 160, 3]."""
    row = np.where(np.arange(160) // 4 % 2, high, low).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (120, 160, 3)).copy()


def drop(seed: int = 0, coverage: float = 0.3) -> FrontDrop:
    return FrontDrop.random(np.random.default_rng(seed), 120, 160, coverage)


@pytest.mark.parametrize("coverage", [0.08, 0.2, 0.4, 0.6])
def test_coverage_is_the_one_asked_for_and_the_masks(coverage: float) -> None:
    for seed in range(5):
        made = drop(seed, coverage)
        assert made.mask.dtype == np.float32
        assert made.mask.shape == (120, 160)
        assert 0 <= made.mask.min() <= made.mask.max() <= 1
        assert made.coverage == pytest.approx(float((made.mask > 0.5).mean()))
        assert made.coverage == pytest.approx(coverage, abs=0.05)


def test_outline_is_soft() -> None:
    mask = drop().mask
    assert np.abs(np.diff(mask, axis=1)).max() < 0.35
    assert ((mask > 0.05) & (mask < 0.95)).mean() > 0.05


def test_render_is_linear_in_the_frame() -> None:
    made, rng = drop(1), np.random.default_rng(2)
    one, other = (rng.integers(0, 120, (120, 160, 3), dtype=np.uint8) for _ in range(2))
    together = made.render(one + other).astype(int)
    assert np.abs(together - made.render(one) - made.render(other)).max() <= 2  # three roundings


def test_outside_the_mask_nothing_changes_and_inside_it_blurs() -> None:
    made, frame = drop(3), stripes()
    wet = made.render(frame)
    assert np.array_equal(wet[made.mask == 0], frame[made.mask == 0])
    steps = np.abs(np.diff(wet[..., 0].astype(int), axis=1))
    inside = made.mask[:, 1:] > 0.99
    assert steps[inside].mean() < 0.5 * np.abs(np.diff(frame[..., 0].astype(int), axis=1)).mean()


def test_water_bends_the_scene() -> None:
    made = drop(4, 0.4)
    ramp = np.broadcast_to(np.arange(160, dtype=np.uint8)[None, :, None], (120, 160, 3))
    distribution_shift = np.abs(made.render(ramp).astype(int) - ramp)[..., 0]
    assert distribution_shift[made.mask > 0.9].max() > 3


def test_strength_fades_in() -> None:
    made, frame = drop(5), stripes()
    assert np.array_equal(made.render(frame, strength=0.0), frame)
    half = made.render(frame, strength=0.5).astype(float)
    assert np.abs(half - (made.render(frame).astype(float) + frame) / 2).max() <= 1


def test_input_is_left_alone_and_the_same_seed_gives_the_same_drop() -> None:
    frame = stripes()
    frame.flags.writeable = False
    first = drop(6).render(frame)
    assert not np.shares_memory(first, frame)
    assert np.array_equal(first, drop(6).render(frame))
    assert not np.array_equal(first, drop(7).render(frame))


@pytest.mark.parametrize("shape", [(80, 80), (157, 158), (240, 320)])
def test_other_frame_sizes(shape: tuple[int, int]) -> None:
    made = FrontDrop.random(np.random.default_rng(0), *shape, 0.25)
    grey = np.full((*shape, 3), 100, np.uint8)
    assert made.coverage == pytest.approx(0.25, abs=0.05)
    assert np.abs(made.render(grey).astype(int) - 100).max() <= 20  # a flat scene stays nearly flat


def test_wrong_frames_and_coverages_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        drop().render(np.zeros((120, 160, 3), np.float32))
    with pytest.raises(ValueError, match="120, 160"):
        drop().render(np.zeros((160, 120, 3), np.uint8))
    with pytest.raises(ValueError, match="coverage"):
        drop(coverage=0.0)


def test_exposure_saturates_and_noise_grows_with_light_and_gain() -> None:
    assert expose(np.array([[[10, 100, 200]]], np.uint8), 2.0).tolist() == [[[20.0, 200.0, 255.0]]]

    def deviation(level: int, gain: float) -> float:
        grey = np.full((80, 80, 3), level, np.uint8)
        return float(sensor_noise(grey, np.random.default_rng(0), gain).std())

    assert deviation(40, 1.0) < deviation(200, 1.0) < deviation(200, 3.0)
