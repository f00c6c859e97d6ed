"""The graph computes what the numpy reference computes, in ONNX Runtime as in PyTorch."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from mle_uvad.edge.frame import area_matrix, grey, to_grey80
from mle_uvad.edge.graph import FEATURE_MAPS, GRID_SIDE, REFERENCE_SIDE, RUNNING_MEANS_SIZE, TIME_CONSTANTS_S
from mle_uvad.edge.measures import pearson
from mle_uvad.edge.reference import enlarge
from mle_uvad.export.graph import FrameGraph
from mle_uvad.training.model import WIDTHS, Autoencoder
from mle_uvad.training.obscuration import ObscurationNet, coarse_maps, feature_maps, frame_moments

Frame = NDArray[np.uint8]
Floats = NDArray[np.float32]
SIZES = [(120, 160), (97, 131), (224, 224), (60, 80)]


class GreyAlone(nn.Module):
    """The graph cut behind the preprocessing."""

    def __init__(self, graph: FrameGraph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, frame: Tensor) -> Tensor:
        """uint8 [H, W, 3] to float32 [80, 80]."""
        return self.graph.to_grey80(frame)[0, 0]


@pytest.fixture
def frame(moving_frames: Callable[..., list[Frame]]) -> Frame:
    return moving_frames(5)[4]


def resized(frame: Frame, height: int, width: int) -> Frame:
    return np.asarray(Image.fromarray(frame).resize((width, height)))


def all_channel_levels(rng: np.random.Generator) -> Frame:
    """[80, 80, 3]: at one pixel to a cell the area average leaves the grey levels as they are."""
    frame = rng.integers(0, 256, (80, 80, 3), dtype=np.uint8)
    frame[:8, :32] = np.arange(256, dtype=np.uint8).reshape(8, 32, 1)
    return frame


def test_grey_is_bit_equal_in_onnx_runtime(
    graph: FrameGraph, session_of: Callable[..., Callable[..., dict[str, Tensor]]], rng: np.random.Generator
) -> None:
    grey_alone = GreyAlone(FrameGraph(graph.model, graph.net, 80, 80))
    assert np.array_equal(grey_alone.graph.rows, [[1]])
    run = session_of(grey_alone, 80, 80, ("frame",), ("grey",))
    for _ in range(20):
        picture = all_channel_levels(rng)
        levels = run(picture)["grey"] * 255
        assert np.array_equal(np.rint(levels), grey(picture))
        assert np.abs(levels - np.rint(levels)).max() < 1e-4


def test_grey_is_bit_equal_for_every_colour_next_to_a_step() -> None:
    # Half of a step is where float and integer arithmetic would part: take the colours that come closest to it.
    red, green, blue = np.ogrid[:256, :256, :256]
    beyond = (19595 * red + 38470 * green + 7471 * blue + 32768) % 65536
    distance = np.minimum(beyond, 65536 - beyond).ravel()
    closest = np.argpartition(distance, 80 * 80)[: 80 * 80]
    picture = np.stack(np.unravel_index(closest, 3 * [256]), -1).astype(np.uint8).reshape(80, 80, 3)
    graph = FrameGraph(Autoencoder("narrow").eval(), ObscurationNet("narrow").eval(), 80, 80)
    assert np.array_equal(np.rint(graph.to_grey80(torch.tensor(picture))[0, 0].numpy() * 255), grey(picture))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_area_average_is_the_reference(graph: FrameGraph, frame: Frame, height: int, width: int) -> None:
    picture = resized(frame, height, width)
    seen = FrameGraph(graph.model, graph.net, height, width).to_grey80(torch.tensor(picture))[0, 0].numpy()
    assert np.abs(seen - to_grey80(picture)).max() < 1e-6


@pytest.mark.parametrize(("height", "width"), [(120, 160), (97, 131)])
def test_all_outputs_are_the_reference(
    make_lived_in: Callable[..., Any],
    session_of: Callable[..., Callable[..., dict[str, Floats]]],
    frame: Frame,
    height: int,
    width: int,
) -> None:
    model, net = make_lived_in(Autoencoder("narrow")), make_lived_in(ObscurationNet("narrow"))
    picture = resized(frame, height, width)
    small = to_grey80(picture)
    image = torch.from_numpy(small)[None, None]
    before = frame_moments(image.flip(-1)).expand(len(TIME_CONSTANTS_S), -1)  # [2, 17600]
    ema_weights, reference = torch.tensor([0.3, 0.1]), some_reference()
    with torch.no_grad():
        reconstruction = model(image)[0, 0].numpy()
        running_means = before + ema_weights[:, None] * (frame_moments(image) - before)
        shown = feature_maps(running_means[None])
        logits = net(shown, reference[None])[0].numpy()
    run = session_of(FrameGraph(deepcopy(model), net, height, width), height, width)
    seen = run(picture, before.numpy(), ema_weights.numpy(), reference.numpy())
    assert {name: value.shape for name, value in seen.items()} == {
        "pcc": (),
        "brightness": (),
        "contrast": (),
        "motion": (),
        "logits": (GRID_SIDE, GRID_SIDE),
        "pictures": (FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE),
        "memory_out": (len(TIME_CONSTANTS_S), RUNNING_MEANS_SIZE),
    }
    assert all(value.dtype == np.float32 for value in seen.values())
    assert float(seen["pcc"]) == pytest.approx(pearson(small, reconstruction), abs=1e-5)
    assert float(seen["brightness"]) == pytest.approx(float(small.mean()), abs=1e-6)
    assert float(seen["contrast"]) == pytest.approx(float(small.std()), abs=1e-6)
    assert logits.std() > 0.1  # else anything would agree
    assert np.abs(seen["logits"] - logits).max() < 1e-2
    assert np.abs(seen["pictures"] - coarse_maps(shown)[0].numpy()).max() < 1e-4
    assert np.abs(seen["memory_out"] - running_means.numpy()).max() < 1e-6


def some_reference() -> Tensor:
    """[2, 20, 40, 40], uneven."""
    random = torch.Generator().manual_seed(3)
    size = (FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE)
    coarse_maps = torch.stack([torch.rand(size, generator=random), 0.05 + 0.2 * torch.rand(size, generator=random)])
    return torch.from_numpy(enlarge(coarse_maps.numpy()))


def test_a_picture_of_one_colour_gives_finite_figures(
    graph: FrameGraph, session_of: Callable[..., Callable[..., dict[str, Floats]]]
) -> None:
    run, running_means, ema_weights = (
        session_of(graph, 120, 160),
        np.zeros((2, RUNNING_MEANS_SIZE), np.float32),
        np.ones(2, np.float32),
    )
    for level in (0, 128, 255):
        seen = run(np.full((120, 160, 3), level, np.uint8), running_means, ema_weights, some_reference().numpy())
        assert all(np.isfinite(value).all() for value in seen.values())
        assert float(seen["contrast"]) < 1e-3
        assert float(seen["brightness"]) == pytest.approx(level / 255, abs=1e-6)
        assert float(seen["motion"]) < 1e-3
        energies = seen["pictures"].reshape(2, 10, 10, 10)[:, 2:]
        assert energies.max() < 0.03  # no edges, also at the border


@pytest.mark.parametrize("width", WIDTHS)
def test_folding_the_normalisations_keeps_the_reconstruction(
    make_lived_in: Callable[..., Autoencoder], width: str
) -> None:
    model = make_lived_in(Autoencoder(width))
    folded = FrameGraph(deepcopy(model), ObscurationNet(width), 120, 160).model
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    frames = torch.rand(4, 1, 80, 80, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        assert (folded(frames) - model(frames)).abs().max() < 2e-6


@pytest.mark.parametrize("side", [80, 97, 120, 160, 224, 480])
def test_an_area_matrix_is_one_block_over_and_over(graph: FrameGraph, side: int) -> None:
    made = FrameGraph(graph.model, graph.net, side, side)
    for block in (made.rows, made.columns.t() * 255):
        times = 80 // block.shape[0]
        assert np.kron(np.eye(times), block) == pytest.approx(area_matrix(side, 80), abs=1e-6)
