"""The defining property of each objective that trains the autoencoder."""

import json
import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from mle_uvad.training.objectives.constriction import inside_sphere, on_sphere
from mle_uvad.training.objectives.l2_latent import latent_variance
from mle_uvad.training.objectives.mle import latent_entropy
from mle_uvad.training.objectives.names import AUTOENCODER, SPR
from mle_uvad.training.objectives.reference import reference_loss
from mle_uvad.training.objectives.spr import CLOSED, deviations_kept, refined_error, tile_errors, tile_weights
from mle_uvad.training.run import RunFolder
from mle_uvad.training.settings import TrainSettings

Small = Callable[..., TrainSettings]
RunTraining = Callable[..., RunFolder]


@pytest.fixture
def latent() -> Tensor:
    return torch.randn(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()


def gradient(loss: Tensor, latent: Tensor) -> Tensor:
    return torch.autograd.grad(loss, latent)[0]


def test_the_gradient_of_the_entropy_is_the_local_mean_shift(latent: Tensor) -> None:
    sigma = 0.8
    found = gradient(latent_entropy(latent, sigma), latent)
    weights = (-torch.cdist(latent, latent).square() / (4 * sigma**2)).exp()
    density, local_mean = weights.sum(1, keepdim=True), weights @ latent / weights.sum(1, keepdim=True)
    assert found == pytest.approx((density / weights.sum() * (latent - local_mean) / sigma**2).detach(), abs=1e-12)


def test_the_variance_is_the_entropy_of_a_wide_kernel(latent: Tensor) -> None:
    sigma = 300.0
    entropy, variance = latent_entropy(latent, sigma), latent_variance(latent)
    assert entropy.item() == pytest.approx(variance.item() / (2 * sigma**2), rel=1e-3)
    pulled = gradient(variance, latent)
    assert torch.allclose(pulled, (latent - latent.mean(0)) * 2 / 12), "to the mean, without any locality"


def test_a_frame_is_not_its_own_neighbour_and_the_nearest_other_one_pulls() -> None:
    latent = torch.tensor([[0.0, 0.0], [5.0, 0.0]], requires_grad=True)
    references = torch.tensor([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]])
    loss = reference_loss(latent, torch.tensor([7, 8]), references, torch.tensor([7, 20, 21]))
    assert loss.item() == (1 + 16) / 2, "frame 7 leaves its own reference out"
    assert gradient(loss, latent).tolist() == [[-1.0, 0.0], [4.0, 0.0]]


def test_the_constrictions_pull_norms_to_alpha() -> None:
    for loss, expected in ((inside_sphere, [0.3, 2.0, 2.0]), (on_sphere, [2.0, 2.0, 2.0])):
        norms = torch.tensor([0.3, 2.5, 9.0])
        latent = torch.nn.functional.normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
        latent = (latent * norms[:, None]).requires_grad_()
        optimizer = torch.optim.SGD([latent], lr=0.1)
        for _ in range(400):
            optimizer.zero_grad()
            loss(latent, 2.0).backward()
            optimizer.step()
        assert latent.norm(dim=1).tolist() == pytest.approx(expected, abs=0.05), loss.__name__


@pytest.mark.parametrize("kind", SPR.values())
def test_the_weights_fall_with_the_loss(kind: str) -> None:
    errors = torch.linspace(0.1, 10, 160).reshape(10, 16)
    errors[9, 15] = 1000.0
    weights = tile_weights(errors, 2.0, kind).flatten()
    assert (weights[1:] <= weights[:-1] + 1e-6).all()
    assert float(weights[0]) >= 0.9
    assert float(weights[-1]) < 0.05
    assert (tile_weights(errors, math.inf, kind) == 1).all(), "warm-up"


def test_the_schedule_closes() -> None:
    kept = [deviations_kept(number / 100) for number in range(100)]
    assert kept[0] == math.inf
    assert kept[17] == pytest.approx(4, abs=0.05)
    assert all(later <= earlier for earlier, later in pairwise(kept))
    assert kept[67:] == [CLOSED] * 33


def test_a_tile_without_weight_teaches_nothing() -> None:
    frames = torch.rand(8, 1, 80, 80, generator=torch.Generator().manual_seed(0))
    rendered = (frames + 0.1 * torch.rand(frames.shape, generator=torch.Generator().manual_seed(1))).requires_grad_()
    covered = frames.clone()
    covered[3, :, 20:40, 60:80] = 5.0
    assert tile_errors(covered, rendered)[3].argmax() == 7, "second row, last column"
    pulled = gradient(refined_error(covered, rendered, 0.9, "hard"), rendered)
    assert not pulled[3, :, 20:40, 60:80].any()
    assert pulled[3].any()


@pytest.mark.parametrize("objective", sorted(set(AUTOENCODER) - {"mle", "mse", "early_stop"}))
def test_each_trains_in_the_loop_and_resumes_as_if_uninterrupted(
    objective: str, small: Small, run_training: RunTraining, recorder: Callable[..., object], power_cut: type[Exception]
) -> None:
    settings = small(objective=objective, epochs=2)
    whole = run_training(settings, name="whole")
    with pytest.raises(power_cut):
        run_training(settings, name="cut", callback=recorder(stop_after_epoch=1))
    assert run_training(settings, name="cut").weights_file.read_bytes() == whole.weights_file.read_bytes()
    plain = run_training(small(objective="mse", epochs=2), name="plain")
    assert whole.weights_file.read_bytes() != plain.weights_file.read_bytes()
    whole.load_model()


def test_early_stopping_ends_when_the_mean_frame_is_beaten(small: Small, run_training: RunTraining) -> None:
    settings = small(objective="early_stop", epochs=12, batch_size=16, learning_rate=3e-3)
    run = run_training(settings)
    lines = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    gains = [(line["mean_pcc"] - line["mean_frame_pcc"]) / (1 - line["mean_frame_pcc"]) for line in lines]
    assert 0 < len(lines) < 12
    assert [gain >= 0.1 for gain in gains] == [False] * (len(lines) - 1) + [True]
    assert len(run_training(settings).metrics_file.read_text().splitlines()) == len(lines), "not resumed"
