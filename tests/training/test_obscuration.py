"""What is measured of a frame, what the averages tell, and the network on top of them."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mle_uvad.edge.graph import FEATURE_MAPS, FEATURE_SIDE, GRID_SIDE, REFERENCE_SIDE, RUNNING_MEANS_SIZE
from mle_uvad.training.obscuration import (
    CHANNELS,
    EDGES,
    FLOOR,
    LOG_SCALE,
    ObscurationNet,
    coarse_maps,
    feature_maps,
    frame_moments,
)

MEAN, CHANGE, FINEST_ENERGY, FINEST_STANDING = 0, 1, 2, 8  # pictures of a span


def seen(frames: Tensor) -> Tensor:
    """Pictures [20, 40, 40] of frames [N, 80, 80] that weigh the same."""
    return feature_maps(frame_moments(frames.unsqueeze(1)).mean(0).expand(1, 2, RUNNING_MEANS_SIZE))[0]


def level(value: float) -> float:
    """A picture's value for an energy or a change in grey levels."""
    return 1 + math.log(value + FLOOR) * LOG_SCALE


def edge(column: int) -> Tensor:
    """A frame that is dark to the left of a column and bright to the right."""
    frame = torch.full((80, 80), 0.2)
    frame[:, column:] = 0.8
    return frame


def test_statistics_are_the_frame_and_its_energies() -> None:
    frame = torch.rand(3, 1, 80, 80, generator=torch.Generator().manual_seed(0))
    measured = frame_moments(frame)
    assert measured.shape == (3, RUNNING_MEANS_SIZE)
    assert torch.equal(measured[:, :6400].reshape(3, 1, 80, 80), frame)
    assert (measured >= 0).all()


def test_the_change_is_the_spread_over_time() -> None:
    two = torch.stack([torch.full((80, 80), 0.3), torch.full((80, 80), 0.7)])
    found = seen(two)
    assert torch.allclose(found[MEAN], torch.tensor(0.5))
    assert torch.allclose(found[CHANGE], torch.tensor(level(0.2)), atol=1e-4)
    still = seen(two[:1].repeat(2, 1, 1))
    assert torch.allclose(still[CHANGE], torch.tensor(level(0)), atol=0.03)  # rounding, below what is noise


def test_an_edge_that_stands_stays_in_the_mean_and_one_that_moves_does_not() -> None:
    standing, moving = seen(edge(41).repeat(40, 1, 1)), seen(torch.stack([edge(20 + step) for step in range(40)]))
    # As much edge is seen of both in the frames; the moving one spreads it over forty columns.
    assert standing[FINEST_STANDING].max() == pytest.approx(level(0.6), abs=1e-3)
    assert standing[FINEST_STANDING].max() > moving[FINEST_STANDING].max() + 0.4
    between = slice(12, 28)
    assert (moving[FINEST_ENERGY, :, between] > moving[FINEST_STANDING, :, between] + 0.1).all()
    assert torch.allclose(standing[FINEST_ENERGY], standing[FINEST_STANDING], atol=1e-4)
    assert (moving[CHANGE, :, between] > standing[CHANGE, :, between] + 0.3).all()


def test_edges_are_pooled_as_one_would_do_it_step_by_step() -> None:
    grey = torch.rand(2, 1, 80, 80, generator=torch.Generator().manual_seed(4))
    found = functional.conv2d(functional.pad(grey, (1, 1, 1, 1), mode="replicate"), EDGES).abs()
    measured = frame_moments(grey)[:, 80 * 80 + 40 * 40 :][:, : 3 * 40 * 40]
    assert torch.allclose(measured, functional.avg_pool2d(found, 2).flatten(1), atol=1e-6)


def test_pictures_are_in_range_and_coarse_ones_are_their_means() -> None:
    generator = torch.Generator().manual_seed(0)
    found = torch.stack([seen(torch.rand(5, 80, 80, generator=generator).round()), seen(torch.zeros(1, 80, 80))])
    assert found.shape == (2, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE)
    assert found.min() >= 0
    assert found.max() < 1.25
    small = coarse_maps(found)
    assert small.shape == (2, FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE)
    assert torch.allclose(small[0, 3, 1, 2], found[0, 3, 4:8, 8:12].mean())


@pytest.mark.parametrize("width", CHANNELS)
def test_the_network_returns_logits_by_cell_and_0_with_a_zero_head(width: str) -> None:
    net = ObscurationNet(width).eval()
    seen, reference = (
        torch.rand(3, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE),
        torch.ones(1, 2, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE),
    )
    with torch.no_grad():
        logits = net(seen, reference)
        net.zero_init_head()
        silent = net(seen, reference)
    assert logits.shape == (3, GRID_SIDE, GRID_SIDE)
    assert logits.std() > 0
    assert torch.equal(silent, torch.zeros(3, GRID_SIDE, GRID_SIDE))


def test_the_deviation_is_in_spreads_of_the_clean_drive_and_bounded() -> None:
    reference = torch.stack(
        [
            torch.full((FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE), 0.5),
            torch.full((FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE), 0.1),
        ]
    ).unsqueeze(0)
    for value, expected in ((0.5, 0.0), (0.7, 1.0), (0.4, -0.5), (9.0, 3.0), (-9.0, -3.0)):
        found = ObscurationNet.deviation(torch.full((1, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE), value), reference)
        assert torch.allclose(found, torch.tensor(expected), atol=1e-5)
