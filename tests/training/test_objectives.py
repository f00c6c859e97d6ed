"""The terms of the loss against their equations, written out plainly."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mle_uvad.training.objectives.mle import effective_neighbours, latent_entropy, pearson, squared_error, standardise

SIGMA = 0.7


@pytest.fixture
def latent() -> Tensor:
    return torch.randn(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def entropy_by_hand(rows: list[list[float]], sigma: float, self_pairs: bool) -> float:
    """Eq. 6 without the kernel's constant, one pair after the other."""
    total, pairs = 0.0, 0
    for i, first in enumerate(rows):
        for j, second in enumerate(rows):
            if i == j and not self_pairs:
                continue
            distance = sum((a - b) ** 2 for a, b in zip(first, second, strict=True))
            total += math.exp(-distance / (4 * sigma**2))
            pairs += 1
    return -math.log(total / pairs)


@pytest.mark.parametrize("self_pairs", [True, False])
def test_joint_entropy_is_equation_6(latent: Tensor, self_pairs: bool) -> None:
    expected = entropy_by_hand(latent.tolist(), SIGMA, self_pairs)
    assert float(latent_entropy(latent, SIGMA, "joint", self_pairs)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("self_pairs", [True, False])
def test_entropy_per_dimension_is_the_mean_of_equation_6(latent: Tensor, self_pairs: bool) -> None:
    columns = [[[value] for value in column] for column in latent.t().tolist()]
    expected = np.mean([entropy_by_hand(column, SIGMA, self_pairs) for column in columns])
    assert float(latent_entropy(latent, SIGMA, "per_dimension", self_pairs)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kernel", ["joint", "per_dimension"])
@pytest.mark.parametrize("self_pairs", [True, False])
def test_latents_that_coincide_have_no_entropy(kernel: str, self_pairs: bool) -> None:
    latent = torch.full((16, 3), 0.37)
    assert float(latent_entropy(latent, 0.1, kernel, self_pairs)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kernel", ["joint", "per_dimension"])
def test_latents_far_apart_have_the_entropy_log_of_their_number(kernel: str) -> None:
    latent = 100.0 * torch.arange(32.0)[:, None].repeat(1, 3)
    assert float(latent_entropy(latent, 0.1, kernel)) == pytest.approx(math.log(32), abs=1e-6)


def test_without_self_pairs_far_latents_still_attract() -> None:
    latent = (10.0 * torch.randn(8, 32, generator=torch.Generator().manual_seed(2))).requires_grad_()
    for self_pairs, attracted in ((True, False), (False, True)):
        (gradient,) = torch.autograd.grad(latent_entropy(latent, 0.1, "joint", self_pairs), latent)
        assert bool(gradient.abs().max() > 0) is attracted
        assert gradient.isfinite().all()


def test_the_gradient_is_a_mean_shift_weighted_by_density(latent: Tensor) -> None:
    latent.requires_grad_()
    (gradient,) = torch.autograd.grad(latent_entropy(latent, SIGMA), latent)
    z = latent.detach().numpy()
    weights = np.exp(-np.square(z[:, None] - z[None]).sum(2) / (4 * SIGMA**2))  # [B, B]
    density = weights.sum(1, keepdims=True)  # S_k
    shifted = weights @ z / density  # m_k
    expected = density / weights.sum() * (z - shifted) / SIGMA**2
    assert np.abs(gradient.numpy() - expected).max() < 1e-9


@pytest.mark.parametrize("kernel", ["joint", "per_dimension"])
def test_the_entropy_does_not_see_where_the_latents_lie(latent: Tensor, kernel: str) -> None:
    here, there = latent_entropy(latent, SIGMA, kernel), latent_entropy(latent + 50, SIGMA, kernel)
    assert float(here) == pytest.approx(float(there), abs=1e-9)


def test_far_from_the_origin_float32_keeps_its_digits(latent: Tensor) -> None:
    expected = float(latent_entropy(latent, SIGMA))
    assert float(latent_entropy(latent.float() + 100, SIGMA)) == pytest.approx(expected, abs=1e-3)


def test_scaling_encoder_and_decoder_lowers_the_entropy_and_keeps_the_error(latent: Tensor) -> None:
    decoder = torch.randn(4, 6400, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    frames = torch.rand(9, 6400, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    scales = (1.0, 0.5, 0.1, 0.01)
    errors = [float(squared_error(frames, (latent * a) @ (decoder / a), "mean")) for a in scales]
    entropies = [float(latent_entropy(latent * a, SIGMA)) for a in scales]
    assert errors == pytest.approx([errors[0]] * 4, rel=1e-9)
    assert entropies == sorted(entropies, reverse=True)
    assert entropies[-1] < 1e-3


@pytest.mark.parametrize("scale", [1e-3, 0.5, 40.0])
def test_standardising_closes_the_scale_hole(latent: Tensor, scale: float) -> None:
    plain, scaled = (float(latent_entropy(standardise(z), SIGMA)) for z in (latent, scale * latent + 3))
    assert plain == pytest.approx(scaled, abs=1e-9)


def test_standardised_latents_have_unit_mean_variance(latent: Tensor) -> None:
    result = standardise(latent)
    assert result.mean(0).abs().max() < 1e-12
    assert float(result.var(0, unbiased=False).mean()) == pytest.approx(1)
    assert standardise(torch.ones(5, 3)).isfinite().all()


def test_the_printed_error_is_6400_times_the_mean_one() -> None:
    frames, reconstructions = torch.rand(2, 5, 1, 80, 80, generator=torch.Generator().manual_seed(5)).unbind()
    mean = squared_error(frames, reconstructions, "mean")
    assert float(mean) == pytest.approx(np.square(frames.numpy() - reconstructions.numpy()).mean(), rel=1e-6)
    assert float(squared_error(frames, reconstructions, "sum")) == pytest.approx(6400 * float(mean), rel=1e-6)


def test_pearson_is_the_correlation_of_each_pair(rng: np.random.Generator) -> None:
    first = rng.normal(0.5, 0.2, (6, 1, 80, 80))
    second = 0.3 * first + rng.normal(0, 0.1, first.shape)
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(first, second, strict=True)]
    seen = pearson(torch.from_numpy(first), torch.from_numpy(second))
    assert seen.numpy() == pytest.approx(expected, abs=1e-12)
    assert pearson(torch.from_numpy(first), torch.from_numpy(-first)).numpy() == pytest.approx([-1] * 6)


def test_pearson_of_a_constant_row_is_zero(rng: np.random.Generator) -> None:
    frames = torch.from_numpy(rng.random((3, 1, 80, 80)).astype(np.float32))
    assert pearson(frames, torch.full_like(frames, 0.25)).tolist() == [0, 0, 0]
    assert pearson(torch.full_like(frames, 0.5), frames).tolist() == pytest.approx([0, 0, 0], abs=1e-6)


def test_effective_neighbours_count_from_one_to_all(latent: Tensor) -> None:
    assert effective_neighbours(1000 * latent, 0.1) == pytest.approx(1)
    assert effective_neighbours(0 * latent, 0.1) == pytest.approx(9)
    assert 1 < effective_neighbours(latent, SIGMA) < 9
