"""Rendered faults stay within their mask, are affine in the scene and depend on the generator alone."""

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.training.faults import KINDS, Fault, random_fault
from mle_uvad.training.masks import SHAPE_PROBABILITIES
from mle_uvad.training.settings import CHOICES

SEEDS = range(12)

Floats = NDArray[np.float32]


def drawn(kind: str, seed: int = 0) -> Fault:
    return random_fault(np.random.default_rng(seed), kind)


def scenes(seed: int, frames: int = 2) -> Floats:
    return np.random.default_rng(seed).random((frames, 80, 80), dtype=np.float32)


def rendered(fault: Fault, frames: Floats, *strength: float, add_light: bool = True) -> Floats:
    copies = frames.copy()
    fault.render(copies, np.array(strength or [1.0] * len(frames), np.float32), add_light=add_light)
    return copies


def test_every_fault_has_its_shapes_and_can_be_held_out() -> None:
    assert set(SHAPE_PROBABILITIES) == set(KINDS)
    assert all(sum(probabilities) == pytest.approx(1) for probabilities in SHAPE_PROBABILITIES.values())
    assert CHOICES["held_out"] == ("", *KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_finite_and_covers_something_but_not_all(kind: str) -> None:
    faults = [drawn(kind, seed) for seed in SEEDS]
    masks = np.stack([fault.mask for fault in faults])
    assert masks.shape == (len(SEEDS), 80, 80)
    assert 0 <= masks.min() <= masks.max() <= 1
    assert all((fault.opacity <= fault.mask + 1e-6).all() for fault in faults)
    assert 0.01 < masks.mean() < 0.9
    changes = np.stack([rendered(fault, scenes(1)) - scenes(1) for fault in faults])
    assert np.isfinite(changes).all()
    assert abs(changes).max() < 2
    assert abs(changes).mean() > 1e-3, "the fault is invisible"


@pytest.mark.parametrize("kind", KINDS)
def test_outside_of_the_mask_the_scene_is_unchanged(kind: str) -> None:
    for seed in SEEDS:
        fault = drawn(kind, seed)
        outside = np.broadcast_to(fault.mask < 1e-6, (2, 80, 80))
        assert (abs(rendered(fault, scenes(1)) - scenes(1))[outside] < 1e-5).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_affine_in_the_scene(kind: str) -> None:
    one, other = scenes(1), scenes(2)
    for seed in SEEDS:
        fault = drawn(kind, seed)
        nothing = rendered(fault, np.zeros_like(one))
        together = rendered(fault, 0.3 * one + np.float32(1.4) * other) - nothing
        apart = 0.3 * (rendered(fault, one) - nothing) + 1.4 * (rendered(fault, other) - nothing)
        assert abs(together - apart).max() < 1e-4
        difference = rendered(fault, one) - rendered(fault, other)
        assert abs(rendered(fault, one - other, add_light=False) - difference).max() < 1e-4


def test_each_frame_has_its_own_strength() -> None:
    fault, scene = drawn("mixed"), scenes(1, frames=3)
    partly, whole = rendered(fault, scene, 0.0, 0.5, 1.0), rendered(fault, scene)
    assert np.array_equal(partly[0], scene[0])
    assert abs(partly[1] - (scene[1] + whole[1]) / 2).max() < 1e-5
    assert np.array_equal(partly[2], whole[2])


def test_the_fault_depends_on_the_generator_alone() -> None:
    for kind in KINDS:
        one, again, other = drawn(kind), drawn(kind), drawn(kind, seed=1)
        for field in fields(Fault):
            assert np.array_equal(getattr(one, field.name), getattr(again, field.name)), field.name
        assert not np.array_equal(one.mask, other.mask)
