"""The autoencoder: sizes, ranges, and the same weights from the same seed."""

import pytest
import torch

from mle_uvad.training.model import WIDTHS, Autoencoder
from mle_uvad.training.networks import make_model
from mle_uvad.training.settings import TrainSettings


@pytest.mark.parametrize(("width", "parameters"), [("narrow", 172e3), ("medium", 478e3), ("wide", 1.49e6)])
def test_parameters_are_as_planned(width: str, parameters: float) -> None:
    count = sum(parameter.numel() for parameter in Autoencoder(width).parameters())
    assert count == pytest.approx(parameters, rel=0.02)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_frame_passes_the_latent_and_comes_back(width: str) -> None:
    frames = torch.rand(3, 1, 80, 80)
    model = Autoencoder(width, latent=7).eval()
    with torch.no_grad():
        latent = model.encode(frames)
        reconstruction = model(frames)
        again = model.decode(latent)
    assert latent.shape == (3, 7)
    assert reconstruction.shape == frames.shape
    assert 0 <= float(reconstruction.min()) <= float(reconstruction.max()) <= 1
    assert torch.equal(reconstruction, again)


def test_a_bounded_latent_stays_within_one() -> None:
    frames = 50 * torch.randn(16, 1, 80, 80, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    free = Autoencoder("narrow").encode(frames)
    torch.manual_seed(0)
    bounded = Autoencoder("narrow", bounded=True).encode(frames)
    assert bounded.abs().max() <= 1
    assert torch.equal(bounded, free.tanh())


def test_first_weights_follow_from_the_seed() -> None:
    first, again, other = (make_model(TrainSettings(width="narrow", seed=seed)).state_dict() for seed in (4, 4, 5))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["encoder.0.weight"], other["encoder.0.weight"])
