"""Finished runs that never trained, and the graph of both networks in ONNX Runtime."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from mle_uvad.edge.graph import (
    FEATURE_MAPS,
    FEATURE_SIDE,
    GRAPH_INPUTS,
    GRAPH_OUTPUTS,
    RUNNING_MEANS_SIZE,
    TIME_CONSTANTS_S,
)
from mle_uvad.export.graph import FrameGraph
from mle_uvad.training.model import Autoencoder
from mle_uvad.training.networks import make_model
from mle_uvad.training.obscuration import ObscurationNet
from mle_uvad.training.run import RunFolder
from mle_uvad.training.settings import TrainSettings

Frame = NDArray[np.uint8]
Floats = NDArray[np.float32]
Run = Callable[..., dict[str, Floats]]


def lived_in(model: Any, seed: int = 1) -> Any:
    """Gives the batch normalisations the uneven statistics of a trained model: fresh ones fold to nothing.

    The layers of the second network too: with fresh ones its log odds hardly vary.
    """
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.3, generator=random)  # type: ignore[union-attr]
                layer.running_var.uniform_(0.3, 3, generator=random)  # type: ignore[union-attr]
                layer.weight.uniform_(0.5, 2, generator=random)
                layer.bias.normal_(0, 0.3, generator=random)
            elif isinstance(layer, nn.Conv2d | nn.Linear) and isinstance(model, ObscurationNet):
                layer.weight.normal_(0, 1.2 / layer.weight[0].numel() ** 0.5, generator=random)
                if layer.bias is not None:
                    layer.bias.normal_(0, 0.3, generator=random)
    return model.eval()


@pytest.fixture(scope="session")
def make_lived_in() -> Callable[..., Any]:
    """`make_lived_in(model)`: the model in evaluation mode, its normalisations as uneven as after a training."""
    return lived_in


@pytest.fixture(scope="session")
def to_onnx() -> Callable[..., bytes]:
    """`to_onnx(module, height, width, inputs, outputs)`: a FrameGraph, or one cut short, as the export writes it."""

    def make(
        module: nn.Module,
        height: int,
        width: int,
        inputs: tuple[str, ...] = GRAPH_INPUTS,
        outputs: tuple[str, ...] = GRAPH_OUTPUTS,
    ) -> bytes:
        example = (
            torch.zeros(height, width, 3, dtype=torch.uint8),
            torch.zeros(len(TIME_CONSTANTS_S), RUNNING_MEANS_SIZE),
            torch.ones(len(TIME_CONSTANTS_S)),
            torch.ones(2, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE),
        )
        buffer: Any = io.BytesIO()  # which the older exporter takes as it takes a path
        names: dict[str, Any] = {"input_names": list(inputs), "output_names": list(outputs)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module.eval(), example[: len(inputs)], buffer, opset_version=17, dynamo=False, **names)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def session_of(to_onnx: Callable[..., bytes]) -> Callable[..., Run]:
    """`session_of(module, height, width, …)(frame, …)`: all outputs by name, through ONNX Runtime."""

    def make(
        module: nn.Module,
        height: int,
        width: int,
        inputs: tuple[str, ...] = GRAPH_INPUTS,
        outputs: tuple[str, ...] = GRAPH_OUTPUTS,
    ) -> Run:
        model = to_onnx(module, height, width, inputs, outputs)
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

        def run(*values: NDArray[Any]) -> dict[str, Floats]:
            return dict(zip(outputs, session.run(list(outputs), dict(zip(inputs, values, strict=True))), strict=True))

        return run

    return make


@pytest.fixture
def make_run(
    tmp_path: Path, moving_frames: Callable[..., list[Frame]], finish_run: Callable[..., RunFolder]
) -> Callable[..., RunFolder]:
    """`make_run(width=…, frames=…)`: a run folder as after a training, its weights random."""

    def make(
        *,
        name: str = "run",
        width: str = "narrow",
        frames: list[Frame] | None = None,
        mode: str = "free",
    ) -> RunFolder:
        samples = np.stack(moving_frames(6) if frames is None else frames)
        settings = TrainSettings(width=width, epochs=1, windows=0, latent_mode=mode)
        model, net = lived_in(make_model(settings)), lived_in(ObscurationNet(width))
        return finish_run(tmp_path / name, settings, samples, model, net)

    return make


@pytest.fixture
def make_graph() -> Callable[..., FrameGraph]:
    """`make_graph(height, width, size)`: a FrameGraph with the lived-in networks of a size."""

    def make(height: int = 120, width: int = 160, size: str = "narrow") -> FrameGraph:
        return FrameGraph(lived_in(Autoencoder(size)), lived_in(ObscurationNet(size)), height, width).eval()

    return make


@pytest.fixture
def graph(make_graph: Callable[..., FrameGraph]) -> FrameGraph:
    return make_graph()
