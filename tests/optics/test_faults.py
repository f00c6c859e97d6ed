"""What holds for the faults of every family."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.optics import FAMILIES, Fault

Picture = NDArray[np.uint8]
SIZES = [(80, 80), (120, 160), (158, 158), (224, 224), (240, 320)]

pytestmark = pytest.mark.parametrize("family", FAMILIES)


def fault(family: str, seed: int = 0, coverage: float = 0.3, size: tuple[int, int] = (120, 160)) -> Fault:
    return FAMILIES[family].random(np.random.default_rng(seed), *size, coverage)


def scene(seed: int = 0, size: tuple[int, int] = (120, 160), high: int = 256) -> Picture:
    return np.random.default_rng(seed).integers(0, high, (*size, 3), dtype=np.uint8)


@pytest.mark.parametrize("coverage", [0.02, 0.1, 0.35, 0.6, 0.9])
def test_coverage_is_the_one_asked_for_and_the_masks(family: str, coverage: float) -> None:
    for seed in range(2):
        made = fault(family, seed, coverage)
        assert made.mask.dtype == np.float32
        assert made.mask.shape == (120, 160)
        assert 0 <= made.mask.min() <= made.mask.max() <= 1
        assert made.coverage == pytest.approx(float((made.mask > 0.5).mean()))
        assert made.coverage == pytest.approx(coverage, abs=0.05 if family == "front_drop" else 0.03)


@pytest.mark.parametrize("size", SIZES)
def test_sizes_of_frames(family: str, size: tuple[int, int]) -> None:
    made = fault(family, 1, 0.25, size)
    seen = made.render(scene(1, size))
    assert made.coverage == pytest.approx(0.25, abs=0.05)
    assert seen.shape == (*size, 3)
    assert seen.dtype == np.uint8


def test_same_seed_same_picture_and_the_input_is_left_alone(family: str) -> None:
    frame = scene()
    frame.flags.writeable = False
    made = fault(family, 2)
    first = made.render(frame)
    assert not np.shares_memory(first, frame)
    assert np.array_equal(first, made.render(frame))
    assert np.array_equal(first, fault(family, 2).render(frame))
    assert not np.array_equal(first, fault(family, 3).render(frame))


def test_outside_the_mask_nothing_changes_and_inside_much_does(family: str) -> None:
    frame = scene()
    for seed in range(2):
        made = fault(family, seed, 0.2)
        change = np.abs(made.render(frame).astype(int) - frame).mean(axis=2)
        assert (made.mask == 0).any()
        assert change[made.mask == 0].max() == 0
        assert change[made.mask < 0.01].max() <= 4
        assert change[made.mask > 0.5].mean() > 10


def test_strength_fades_in(family: str) -> None:
    made, frame = fault(family, 5), scene(high=120)
    assert np.array_equal(made.render(frame, strength=0.0), frame)
    half = made.render(frame, strength=0.5).astype(float)
    assert np.abs(half - (made.render(frame).astype(float) + frame) / 2).max() <= 1


def test_render_is_linear_in_the_scene(family: str) -> None:
    for seed in range(2):
        made, one, other = fault(family, seed), scene(1, high=60), scene(2, high=60)
        together = made.render(one + other).astype(int)
        assert np.abs(together - made.render(one) - made.render(other)).max() <= 2  # three roundings


def test_the_rim_is_soft(family: str) -> None:
    for seed in range(2):
        mask = fault(family, seed, 0.4).mask
        assert ((mask > 0.02) & (mask < 0.98)).sum() > 0.25 * (mask > 0.5).sum() ** 0.5 * 4
        assert np.abs(np.diff(mask, axis=1)).max() < 0.85


def test_wrong_frames_and_coverages_are_refused(family: str) -> None:
    with pytest.raises(ValueError, match="uint8"):
        fault(family).render(np.zeros((120, 160, 3), np.float32))
    with pytest.raises(ValueError, match="120, 160"):
        fault(family).render(np.zeros((160, 120, 3), np.uint8))
    for coverage in (0.0, 0.01, 0.95, float("nan")):
        with pytest.raises(ValueError, match="coverage"):
            fault(family, coverage=coverage)
