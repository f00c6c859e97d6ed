"""The shapes that the car works out for itself, against those that ONNX Runtime meets; the bounds and every export."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.numpy_helper import from_array

from mle_uvad.edge.graph import GRAPH_INPUTS, RUNNING_MEANS_SIZE
from mle_uvad.edge.graph_check import check_graph, graph_work
from mle_uvad.edge.graph_shapes import RULES, shapes_after
from mle_uvad.edge.onnx_file import Node, Tensor, read_graph
from mle_uvad.export.graph import FrameGraph
from mle_uvad.training.model import WIDTHS

ROW = np.arange(24, dtype=np.float32)
CUBE = ROW.reshape(2, 3, 4)
PICTURE = np.arange(96, dtype=np.float32).reshape(1, 2, 6, 8)
KERNEL = np.ones((4, 2, 3, 3), np.float32)
# An operator, its inputs (None is left out) and its attributes, in the forms that an export may write.
CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    *((operator, [CUBE], {}) for operator in ("Abs", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Relu", "Sigmoid")),
    *((operator, [CUBE], {}) for operator in ("Sqrt", "Tanh", "Identity", "Shape")),
    *((operator, [CUBE, CUBE[:, :1]], {}) for operator in ("Add", "Div", "Max", "Min", "Mul", "Pow", "Sub")),
    ("Where", [CUBE > 3, CUBE[:1], CUBE[0]], {}),
    ("Clip", [CUBE, np.float32(1)], {}),
    ("Cast", [CUBE], {"to": 7}),
    ("Mod", [np.array([7, -7]), np.array([3])], {}),
    ("BatchNormalization", [PICTURE, *(np.ones(2, np.float32),) * 4], {}),
    ("AveragePool", [PICTURE], {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [1, 0, 0, 1]}),
    ("MaxPool", [PICTURE], {"kernel_shape": [3, 3], "dilations": [2, 2]}),
    ("Conv", [PICTURE, KERNEL], {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("Conv", [PICTURE, KERNEL[:, :1]], {"group": 2, "dilations": [2, 1]}),
    ("ConvTranspose", [PICTURE, KERNEL[:2]], {"strides": [2, 3], "pads": [1, 0, 1, 0]}),
    ("ConvTranspose", [PICTURE, KERNEL[:2]], {"group": 2}),
    ("MatMul", [CUBE, np.ones((4, 5), np.float32)], {}),
    ("Gemm", [CUBE[0], np.ones((5, 4), np.float32)], {"transB": 1}),
    ("Gemm", [CUBE[0], np.ones((3, 5), np.float32)], {"transA": 1}),
    ("Flatten", [CUBE], {"axis": 2}),
    ("Flatten", [CUBE], {"axis": -1}),
    ("Reshape", [CUBE, np.array([0, -1])], {}),
    ("Transpose", [CUBE], {"perm": [2, 0, 1]}),
    ("Squeeze", [CUBE[:1], np.array([0])], {}),
    ("Unsqueeze", [CUBE, np.array([1, -1])], {}),
    ("Slice", [CUBE, np.array([-1]), np.array([-(2**63)]), np.array([2]), np.array([-2])], {}),
    ("Slice", [CUBE, np.array([-9, 1]), np.array([1, 2**62])], {}),
    ("Gather", [CUBE, np.array([[0, 2]])], {"axis": 1}),
    ("Gather", [CUBE, np.array(-1)], {"axis": -1}),
    ("Concat", [CUBE, CUBE[:, :2]], {"axis": -2}),
    ("Split", [CUBE, np.array([1, 3])], {"axis": 2}),
    ("Split", [CUBE], {"axis": 0}),
    ("Expand", [CUBE[:, :1], np.array([3, 1])], {}),
    ("Pad", [CUBE, np.array([1, 0, -1, 0, 2, 0])], {}),
    ("Resize", [PICTURE, None, np.array([1, 1, 2, 0.7], np.float32)], {"mode": "nearest"}),
    ("ReduceMean", [CUBE], {"axes": [0, -1], "keepdims": 0}),
    ("ReduceMean", [CUBE], {}),
    ("ReduceSum", [CUBE, np.array([1])], {"keepdims": 0}),
    ("ConstantOfShape", [np.array([2, 0, 3])], {}),
    ("Constant", [], {"value": from_array(CUBE)}),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}-{number}" for number, case in enumerate(CASES)])
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_the_shape_and_the_values_of_an_operator_are_those_of_the_runtime(
    case: tuple[str, list[Any], dict[str, Any]], known: bool
) -> None:
    operator, given, attributes = case
    names = ["" if value is None else f"i{number}" for number, value in enumerate(given)]
    outputs = ["a", "b"] if operator == "Split" else ["a"]
    node = onnx.helper.make_node(operator, names, outputs, **attributes)
    stored = [from_array(value, name) for value, name in zip(given, names, strict=True) if name]
    graph = onnx.helper.make_graph([node], "g", [], [onnx.ValueInfoProto(name=name) for name in outputs], stored)
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    expected = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {})

    (read,), tensors = read_graph(model)
    inputs = [tensors[name] if name else Tensor((0,)) for name in read.inputs]
    if not known and inputs:
        inputs[0] = Tensor(inputs[0].shape)
    if not known and operator == "ConstantOfShape":
        with pytest.raises(TypeError):
            shapes_after(read, inputs)
        return
    found = shapes_after(read, inputs)
    assert [tensor.shape for tensor in found] == [array.shape for array in expected]
    for tensor, array in zip(found, expected, strict=True):
        if tensor.values is not None:
            np.testing.assert_array_equal(tensor.values, array)


def test_every_operator_has_a_case() -> None:
    assert {operator for operator, _, _ in CASES} == set(RULES)


@pytest.mark.parametrize("size", WIDTHS)
def test_all_shapes_of_an_export_are_those_that_the_runtime_meets(
    size: str, make_graph: Callable[..., FrameGraph], to_onnx: Callable[..., bytes]
) -> None:
    model = to_onnx(make_graph(size=size), 120, 160)
    proto = onnx.load_from_string(model)
    names = [name for node in proto.graph.node if node.op_type != "Constant" for name in node.output]
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    shapes = ((120, 160, 3), (2, RUNNING_MEANS_SIZE), (2,), (2, 20, 40, 40))
    given = [np.ones(shape, np.float32 if number else np.uint8) for number, shape in enumerate(shapes)]
    met = dict(zip(names, session.run(names, dict(zip(GRAPH_INPUTS, given, strict=True))), strict=True))

    nodes, tensors = read_graph(model)
    tensors |= {name: Tensor(shape) for name, shape in zip(GRAPH_INPUTS, shapes, strict=True)}
    for node in nodes:
        for name, tensor in zip(
            node.outputs,
            shapes_after(node, [tensors[name] if name else Tensor((0,)) for name in node.inputs]),
            strict=True,
        ):
            tensors[name] = tensor
            assert name not in met or tensor.shape == met[name].shape, (node.operator, name)

    work, elements = graph_work(model, 120, 160)
    assert elements == sum(prod(tensors[name].shape) for node in nodes for name in node.outputs)
    assert work > multiply_adds_of_products(nodes, tensors)
    check_graph(model, 120, 160)


def multiply_adds_of_products(nodes: list[Node], tensors: dict[str, Tensor]) -> int:
    """Count those of the convolutions, by the definition: every number of a kernel at every place."""
    kernels = [(node, tensors[node.inputs[1]].shape) for node in nodes if node.operator.startswith("Conv")]
    return sum(
        prod(kernel) * prod(tensors[node.outputs[0] if node.operator == "Conv" else node.inputs[0]].shape[2:])
        for node, kernel in kernels
    )


@pytest.mark.parametrize(("height", "width"), [(24, 32), (480, 640), (2160, 3840)])
def test_a_network_for_another_frame_size_stays_within_the_bounds(
    height: int, width: int, make_graph: Callable[..., FrameGraph], to_onnx: Callable[..., bytes]
) -> None:
    check_graph(to_onnx(make_graph(height, width, "wide"), height, width), height, width)
