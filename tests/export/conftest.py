"""Finished runs that never trained, and the graph of a model in ONNX Runtime."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from mle_uvad.edge.bundle import GRAPH_INPUT, GRAPH_OUTPUTS
from mle_uvad.export.graph import FrameGraph
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.model import Autoencoder
from mle_uvad.training.run import RunFolder, make_model
from mle_uvad.training.settings import TrainSettings

Frame = NDArray[np.uint8]
Run = Callable[[Frame], dict[str, NDArray[np.float32]]]


def lived_in(model: Autoencoder, seed: int = 1) -> Autoencoder:
    """Gives the batch normalisations the uneven statistics of a trained model: fresh ones fold to nothing."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.3, generator=random)  # type: ignore[union-attr]
                layer.running_var.uniform_(0.3, 3, generator=random)  # type: ignore[union-attr]
                layer.weight.uniform_(0.5, 2, generator=random)
                layer.bias.normal_(0, 0.3, generator=random)
    return model.eval()


@pytest.fixture(scope="session")
def make_lived_in() -> Callable[..., Autoencoder]:
    """`make_lived_in(model)`: the model in evaluation mode, its normalisations as uneven as after a training."""
    return lived_in


@pytest.fixture(scope="session")
def session_of() -> Callable[[torch.nn.Module, int, int], Run]:
    """`session_of(graph, height, width)`: all outputs of a FrameGraph by name, through ONNX Runtime."""

    def make(graph: torch.nn.Module, height: int, width: int, outputs: tuple[str, ...] = GRAPH_OUTPUTS) -> Run:
        buffer = io.BytesIO()
        frame = torch.zeros(height, width, 3, dtype=torch.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph.eval(),
                (frame,),
                buffer,
                opset_version=17,
                dynamo=False,
                input_names=[GRAPH_INPUT],
                output_names=list(outputs),
            )
        session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
        return lambda frame: dict(zip(outputs, session.run(list(outputs), {GRAPH_INPUT: frame}), strict=True))

    return make


@pytest.fixture
def make_run(tmp_path: Path, moving_frames: Callable[..., list[Frame]]) -> Callable[..., RunFolder]:
    """`make_run(width=…, size=…, frames=…)`: a run folder as after a training, its weights random."""

    def make(
        *,
        name: str = "run",
        width: str = "narrow",
        frames: list[Frame] | None = None,
        finished: bool = True,
        mode: str = "free",
    ) -> RunFolder:
        samples = np.stack(moving_frames(6) if frames is None else frames)
        settings = TrainSettings(width=width, epochs=1, latent_mode=mode)
        cache = FrameCache(samples[:0], None, samples, "none", [])  # type: ignore[arg-type]
        run = RunFolder(tmp_path / name)
        run.start(settings, cache, [])
        if finished:
            run.finish(lived_in(make_model(settings)))
        return run

    return make


@pytest.fixture
def graph() -> FrameGraph:
    return FrameGraph(lived_in(Autoencoder("narrow")), 120, 160)
