"""The two parts of an exported model against the whole, in ONNX Runtime."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest

from mle_uvad.edge.backends.ort import OrtBackend
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.graph import (
    CELL_INPUTS,
    CELL_OUTPUTS,
    FRAME_INPUTS,
    FRAME_OUTPUTS,
    GRAPH_INPUTS,
    GRAPH_OUTPUTS,
    RUNNING_MEANS_SIZE,
)
from mle_uvad.edge.onnx_file import read_graph
from mle_uvad.edge.onnx_split import part_of
from mle_uvad.export.bundle import export_bundle
from mle_uvad.training.run import RunFolder

PARTS = {"frame": (FRAME_INPUTS, FRAME_OUTPUTS), "cells": (CELL_INPUTS, CELL_OUTPUTS)}


@pytest.fixture
def exported(make_run: Callable[..., RunFolder], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export_bundle(make_run().folder, tmp_path_factory.mktemp("exported") / "lens", "onnx")


def test_both_parts_give_the_outputs_of_the_whole(exported: Bundle, rng: np.random.Generator) -> None:
    session = onnxruntime.InferenceSession(exported.model, providers=["CPUExecutionProvider"])
    frame = rng.integers(0, 256, (exported.height, exported.width, 3), dtype=np.uint8)
    means = rng.uniform(0.1, 0.6, (2, RUNNING_MEANS_SIZE)).astype(np.float32)
    weights, reference = np.array([0.1, 0.02], np.float32), rng.uniform(0.1, 1, (2, 20, 40, 40)).astype(np.float32)
    inputs = dict(zip(GRAPH_INPUTS, (frame, means, weights, reference), strict=True))
    whole = dict(zip(GRAPH_OUTPUTS, session.run(GRAPH_OUTPUTS, inputs), strict=True))
    outputs = OrtBackend(exported).run(frame, means, weights, reference)
    for name, found in zip(GRAPH_OUTPUTS, outputs, strict=True):
        assert found is not None
        np.testing.assert_allclose(found, whole[name], rtol=0, atol=1e-5, err_msg=name)


def test_without_a_reference_the_cells_are_not_scored_and_the_rest_is_the_same(
    exported: Bundle, rng: np.random.Generator
) -> None:
    backend = OrtBackend(exported)
    frame = rng.integers(0, 256, (exported.height, exported.width, 3), dtype=np.uint8)
    means, weights = np.full((2, RUNNING_MEANS_SIZE), 0.3, np.float32), np.array([0.1, 0.02], np.float32)
    scored = backend.run(frame, means, weights, np.ones((2, 20, 40, 40), np.float32))
    skipped = backend.run(frame, means, weights, None)
    assert skipped.logits is skipped.feature_maps is None
    assert scored[:4] == skipped[:4]
    assert np.array_equal(scored.running_means, skipped.running_means)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_a_valid_model_with_its_inputs_and_outputs_only(exported: Bundle, part: str) -> None:
    inputs, outputs = PARTS[part]
    cut = part_of(exported.model, inputs, outputs)
    model = onnx.load_from_string(cut)
    onnx.checker.check_model(model, full_check=True)
    assert {value.name for value in model.graph.input} == {*inputs}
    assert {value.name for value in model.graph.output} == {*outputs}
    read_graph(cut)  # the car's own reader accepts it, too


def test_the_parts_share_no_weights(exported: Bundle) -> None:
    def weights(model: bytes) -> set[str]:
        return {tensor.name for tensor in onnx.load_from_string(model).graph.initializer if len(tensor.dims) > 1}

    frame, cells = (weights(part_of(exported.model, *ends)) for ends in PARTS.values())
    assert frame | cells == weights(exported.model)
    assert not frame & cells


@pytest.mark.parametrize(
    ("inputs", "outputs", "lacks"),
    [
        (CELL_INPUTS[:1], CELL_OUTPUTS, "reference"),
        (("frame",), ("pcc", "memory_out"), "memory, shares"),
        (FRAME_INPUTS, ("steering",), "steering"),
        (("lidar", "frame"), ("pcc",), "lidar"),
    ],
)
def test_what_a_model_cannot_compute_is_refused(
    exported: Bundle, inputs: tuple[str, ...], outputs: tuple[str, ...], lacks: str
) -> None:
    with pytest.raises(InputError, match=f"it lacks {lacks}$"):
        part_of(exported.model, inputs, outputs)
