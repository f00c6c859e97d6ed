"""Rendered faults: they stay within their mask, are affine in the scene, and follow from the generator alone."""

from dataclasses import astuple

import pytest
import torch
from torch import Tensor

from mle_uvad.training.faults import KINDS, SHAPE_SHARES, Faults, random_faults
from mle_uvad.training.settings import CHOICES

BATCH = 24


def drawn(kind: str, seed: int = 0) -> Faults:
    return random_faults(torch.Generator().manual_seed(seed), [kind] * BATCH)


def scenes(seed: int, frames: int = 2) -> Tensor:
    return torch.rand(BATCH, frames, 80, 80, generator=torch.Generator().manual_seed(seed))


def full(frames: int = 2) -> Tensor:
    return torch.ones(BATCH, frames)


def test_every_kind_has_its_shapes_and_can_be_held_out() -> None:
    assert set(SHAPE_SHARES) == set(KINDS)
    assert all(sum(shares) == pytest.approx(1) for shares in SHAPE_SHARES.values())
    assert CHOICES["held_out"] == ("", *KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_finite_and_covers_something_but_not_all(kind: str) -> None:
    faults = drawn(kind)
    assert faults.mask.shape == (BATCH, 80, 80)
    assert 0 <= faults.mask.min() <= faults.mask.max() <= 1
    assert (faults.opacity <= faults.mask + 1e-6).all()
    assert 0.01 < faults.mask.mean() < 0.9
    seen = faults.render(scenes(1), full())
    assert seen.shape == (BATCH, 2, 80, 80)
    assert seen.isfinite().all()
    assert seen.min() > -0.5
    assert seen.max() < 2
    assert (seen - scenes(1)).abs().mean() > 1e-3, "nothing is to be seen of it"


@pytest.mark.parametrize("kind", KINDS)
def test_outside_of_the_mask_the_scene_is_as_it_was(kind: str) -> None:
    faults = drawn(kind)
    outside = (faults.mask < 1e-6).unsqueeze(1).expand(-1, 2, -1, -1)
    assert outside.any()
    assert (faults.render(scenes(1), full()) - scenes(1)).abs()[outside].max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_affine_in_the_scene(kind: str) -> None:
    faults, one, other = drawn(kind), scenes(1), scenes(2)
    nothing = faults.render(torch.zeros_like(one), full())
    apart = [faults.render(scene, full()) - nothing for scene in (one, other)]
    together = faults.render(0.3 * one + 1.4 * other, full()) - nothing
    assert (together - 0.3 * apart[0] - 1.4 * apart[1]).abs().max() < 1e-4


def test_each_frame_sees_the_fault_at_its_own_strength() -> None:
    faults, scene = drawn("mixed"), scenes(1, frames=3)
    seen = faults.render(scene, torch.tensor([0.0, 0.5, 1.0]).expand(BATCH, 3))
    whole = faults.render(scene, full(3))
    assert torch.equal(seen[:, 0], scene[:, 0])
    assert torch.allclose(seen[:, 1], (scene[:, 1] + whole[:, 1]) / 2, atol=1e-5)
    assert torch.equal(seen[:, 2], whole[:, 2])


def test_the_generator_alone_decides() -> None:
    for kind in KINDS:
        one, again, other = drawn(kind), drawn(kind), drawn(kind, seed=1)
        assert all(torch.equal(a, b) for a, b in zip(astuple(one), astuple(again), strict=True))
        assert not torch.equal(one.mask, other.mask)
