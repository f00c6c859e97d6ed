"""What makes each family the fault that it is."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from mle_uvad.optics import Beads, Film, Mud, Spatter

Picture = NDArray[np.uint8]


def stripes(period: int = 8) -> Picture:
    """Vertical stripes, uint8 [120, 160, 3]."""
    row = np.where(np.arange(160) // (period // 2) % 2, 60, 180).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (120, 160, 3)).copy()


def bead(radius: float, defocus: float = 1.0, angle_deg: float = 60.0) -> Beads:
    """One bead in the middle of a frame [120, 160]; lengths in its 60 x 80 grid."""
    return Beads(
        np.array([[29.5, 39.5]]),
        np.array([radius]),
        np.deg2rad([angle_deg]),
        (120, 160),
        focal_length=60.0,
        defocus=defocus,
        ambient=0.0,
    )


def test_a_bead_shows_the_scene_upside_down_and_small() -> None:
    y, x = np.mgrid[:120, :160]
    ramps = np.stack([60 + x, 60 + y, np.full_like(x, 100)], axis=2).astype(np.uint8)
    seen = bead(8).render(ramps).astype(int)[52:68, 72:88]
    middle = seen[6:10, 6:10].mean(axis=(0, 1))
    assert np.abs(middle[:2] - (60 + 79.5, 60 + 59.5)).max() < 3  # on the axis nothing is bent
    across, down = np.diff(seen[7:9, :, 0].mean(axis=0)), np.diff(seen[:, 7:9, 1].mean(axis=1))
    assert across.mean() < -1.2  # the other way round, and a wider part of the scene than lies behind the bead
    assert down.mean() < -1.2


def test_a_steep_bead_has_a_dark_rim() -> None:
    white = np.full((120, 160, 3), 200, np.uint8)
    light = bead(12, angle_deg=70).render(white)[60, :, 0].astype(int)
    assert light[80] > 185
    assert light[56:64].min() < 90
    assert light[20] == 200


def test_a_round_bead_treats_all_sides_alike() -> None:
    rows = bead(12).render(np.full((120, 160, 3), 200, np.uint8))[..., 0].astype(int)
    assert np.abs(rows - rows[::-1]).max() <= 1
    assert np.abs(rows - rows[:, ::-1]).max() <= 1


def test_defocus_softens_a_bead() -> None:
    steps = [np.abs(np.diff(bead(10, defocus).mask, axis=1)).max() for defocus in (1.0, 3.0, 8.0)]
    assert steps[0] > 2 * steps[1] > 2 * steps[2]


def test_mud_hides_the_scene_behind_its_colour() -> None:
    opacity = np.full((120, 160), 0.9, np.float32)
    mask = np.zeros((120, 160), np.float32)
    mask[40:80, 40:80] = 1.0
    brown = np.broadcast_to(np.array([0.6, 0.4, 0.2], np.float32), (120, 160, 3))
    frame = stripes()
    inside = Mud(mask, opacity, brown).render(frame)[41:79, 41:79].astype(float)
    mean = frame.mean()
    assert np.ptp(inside[..., 0]) == pytest.approx(0.1 * 120, abs=1.1)
    expected = 0.1 * frame[41:79, 41:79].mean() + 0.9 * mean * np.array([0.6, 0.4, 0.2])
    assert np.abs(inside.mean(axis=(0, 1)) - expected).max() < 1


def test_mud_comes_in_few_large_and_in_many_small_pieces() -> None:
    pieces = [ndimage.label(Mud.random(np.random.default_rng(seed), 120, 160, 0.1).mask > 0.5)[1] for seed in range(12)]
    assert min(pieces) <= 3
    assert max(pieces) >= 20


def test_mud_is_darker_or_brighter_than_the_scene() -> None:
    grey = np.full((120, 160, 3), 110, np.uint8)
    levels = []
    for seed in range(10):
        made = Mud.random(np.random.default_rng(seed), 120, 160, 0.3)
        levels.append(made.render(grey)[made.mask > 0.9].mean())
    assert min(levels) < 75
    assert max(levels) > 125


def test_a_film_lowers_the_contrast_and_leaves_it_elsewhere() -> None:
    frame = stripes()
    for seed in range(8):
        made = Film.random(np.random.default_rng(seed), 120, 160, 0.4)
        seen = made.render(frame)[..., 0].astype(int)
        steps, before = np.abs(np.diff(seen, axis=1)), np.abs(np.diff(frame[..., 0].astype(int), axis=1))
        filmed, clear = made.mask[:, 1:] > 0.95, np.maximum(made.mask[:, 1:], made.mask[:, :-1]) == 0
        assert steps[filmed].mean() < 0.6 * before[filmed].mean()
        assert np.array_equal(steps[clear], before[clear])


def test_a_film_keeps_the_light_of_an_even_scene_within_its_tint() -> None:
    grey = np.full((120, 160, 3), 120, np.uint8)
    for seed in range(8):
        seen = Film.random(np.random.default_rng(seed), 120, 160, 0.6).render(grey).astype(int)
        assert seen.min() >= 105
        assert seen.max() <= 175


def test_spatter_is_made_of_small_pieces() -> None:
    for seed in range(6):
        made = Spatter.random(np.random.default_rng(seed), 120, 160, 0.05)
        pieces, count = ndimage.label(made.mask > 0.5)
        areas = np.bincount(pieces.ravel())[1:]
        assert count >= 20
        assert np.median(areas) < 40


def test_spatter_has_dark_and_bright_and_bending_droplets() -> None:
    grey = np.full((120, 160, 3), 110, np.uint8)
    seen = [
        Spatter.random(np.random.default_rng(seed), 120, 160, 0.2).render(grey).astype(int) - 110 for seed in range(10)
    ]
    assert min(change.min() for change in seen) < -50
    assert max(change.max() for change in seen) > 50
