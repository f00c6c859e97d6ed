"""What a frame costs, in multiply-adds counted in the exported file: a Pi has little to spare."""

from collections.abc import Callable
from math import prod

import numpy as np
import onnx
import onnxruntime
import pytest

from mle_uvad.edge.graph import GRAPH_INPUTS, RUNNING_MEANS_SIZE
from mle_uvad.export.graph import FrameGraph

MULTIPLYING = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def multiply_adds(model: bytes) -> dict[str, int]:
    """Of each multiplying node, by its name; the shapes are those that ONNX Runtime meets on a frame."""
    proto = onnx.load_from_string(model)
    nodes = [node for node in proto.graph.node if node.op_type in MULTIPLYING]
    shapes = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    asked = sorted({name for node in nodes for name in (*node.input[:2], node.output[0]) if name not in shapes})
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in asked)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    running_means, ema_weights = np.zeros((2, RUNNING_MEANS_SIZE), np.float32), np.ones(2, np.float32)
    given = (np.zeros((120, 160, 3), np.uint8), running_means, ema_weights, np.ones((2, 20, 40, 40), np.float32))
    golden_values = session.run(asked, dict(zip(GRAPH_INPUTS, given, strict=True)))
    shapes |= {name: head.shape for name, head in zip(asked, golden_values, strict=True)}

    def count(node: onnx.NodeProto) -> int:
        source, kernel, target = (shapes[name] for name in (*node.input[:2], node.output[0]))
        if node.op_type == "Conv":  # every number of the kernel, at every place of the target
            return prod(kernel) * target[0] * prod(target[2:])
        if node.op_type == "ConvTranspose":  # … of the source
            return prod(kernel) * prod(source[2:])
        return prod(target) * source[-1]

    return {node.name: count(node) for node in nodes}


@pytest.mark.parametrize(("size", "millions"), [("narrow", 10), ("medium", 25)])
def test_both_networks_stay_within_their_multiply_adds(
    make_graph: Callable[..., FrameGraph], to_onnx: Callable[..., bytes], size: str, millions: float
) -> None:
    costs = multiply_adds(to_onnx(make_graph(size=size), 120, 160))
    networks = sum(cost for name, cost in costs.items() if name.startswith(("/model/", "/net/")))
    edges = sum(cost for name, cost in costs.items() if name.startswith("/Conv"))
    before = sum(costs.values()) - networks - edges
    assert {name.split("/")[1] for name in costs if name.count("/") > 1} == {"model", "net"}
    assert 0.8e6 * millions < networks <= 1e6 * millions
    # Three kernels on the frame and one on both means: four of sixteen, which the pool wants; then on half the size.
    assert edges == 40 * 40 * (3 + 2) * (4 * 16 + 9)
    # Luma, then the area average: three rows make two, two columns one.
    assert before == 120 * 160 * 3 + 80 * 160 * 3 + 80 * 80 * 2
