"""The graph computes what the numpy reference computes, in ONNX Runtime as in PyTorch."""

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from mle_uvad.edge.frame import area_matrix, grey, to_grey80
from mle_uvad.edge.measures import pearson, residual_map, sharpness_map
from mle_uvad.export.graph import FrameGraph
from mle_uvad.training.model import WIDTHS, Autoencoder

Frame = NDArray[np.uint8]
SIZES = [(120, 160), (97, 131), (224, 224), (60, 80)]


class GreyAlone(nn.Module):
    """The graph cut behind the preprocessing."""

    def __init__(self, graph: FrameGraph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, frame: Tensor) -> Tensor:
        """uint8 [H, W, 3] to float32 [80, 80]."""
        return self.graph.to_grey80(frame)


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
    grey_alone = GreyAlone(FrameGraph(graph.model, 80, 80))
    assert np.array_equal(grey_alone.graph.rows, np.eye(80))
    run = session_of(grey_alone, 80, 80, ("grey",))
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
    closest = np.stack(np.unravel_index(closest, 3 * [256]), -1).astype(np.uint8).reshape(80, 80, 3)
    graph = FrameGraph(Autoencoder("narrow").eval(), 80, 80)
    assert np.array_equal(np.rint(graph.to_grey80(torch.tensor(closest)).numpy() * 255), grey(closest))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_area_average_is_the_reference(graph: FrameGraph, frame: Frame, height: int, width: int) -> None:
    picture = resized(frame, height, width)
    seen = FrameGraph(graph.model, height, width).to_grey80(torch.tensor(picture)).numpy()
    assert np.abs(seen - to_grey80(picture)).max() < 1e-6


@pytest.mark.parametrize(("height", "width"), [(120, 160), (97, 131)])
def test_all_outputs_are_the_reference(
    make_lived_in: Callable[..., Autoencoder],
    session_of: Callable[..., Callable[..., dict[str, NDArray[np.float32]]]],
    frame: Frame,
    height: int,
    width: int,
) -> None:
    model, picture = make_lived_in(Autoencoder("narrow")), resized(frame, height, width)
    seen = session_of(FrameGraph(deepcopy(model), height, width), height, width)(picture)
    small = to_grey80(picture)
    with torch.no_grad():
        reconstruction = model(torch.from_numpy(small)[None, None])[0, 0].numpy()
    assert {name: value.shape for name, value in seen.items()} == {
        "pcc": (),
        "brightness": (),
        "contrast": (),
        "maps": (2, 10, 10),
        "residual": (80, 80),
    }
    assert all(value.dtype == np.float32 for value in seen.values())
    assert float(seen["pcc"]) == pytest.approx(pearson(small, reconstruction), abs=1e-5)
    assert float(seen["brightness"]) == pytest.approx(float(small.mean()), abs=1e-6)
    assert float(seen["contrast"]) == pytest.approx(float(small.std()), abs=1e-6)
    assert np.abs(seen["maps"][0] - residual_map(small, reconstruction)).max() < 1e-5
    assert np.abs(seen["maps"][1] - sharpness_map(small)).max() < 1e-3
    assert np.abs(seen["residual"] - (small - reconstruction)).max() < 1e-5


def test_a_picture_of_one_colour_gives_finite_figures(
    graph: FrameGraph, session_of: Callable[..., Callable[..., dict[str, NDArray[np.float32]]]]
) -> None:
    run = session_of(graph, 120, 160)
    for level in (0, 128, 255):
        seen = run(np.full((120, 160, 3), level, np.uint8))
        assert all(np.isfinite(value).all() for value in seen.values())
        assert float(seen["contrast"]) < 1e-3
        assert float(seen["brightness"]) == pytest.approx(level / 255, abs=1e-6)
        assert seen["maps"][1].max() < -13  # no edges, also at the border


@pytest.mark.parametrize("width", WIDTHS)
def test_folding_the_normalisations_keeps_the_reconstruction(
    make_lived_in: Callable[..., Autoencoder], width: str
) -> None:
    model = make_lived_in(Autoencoder(width))
    folded = FrameGraph(deepcopy(model), 120, 160).model
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    frames = torch.rand(4, 1, 80, 80, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        assert (folded(frames) - model(frames)).abs().max() < 2e-6


def test_the_area_matrices_are_those_of_the_reference(graph: FrameGraph) -> None:
    assert np.array_equal(graph.rows.numpy(), area_matrix(120, 80))
    assert graph.columns.numpy() == pytest.approx(area_matrix(160, 80).T / 255)
