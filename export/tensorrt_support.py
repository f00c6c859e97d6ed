"""Checks node by node what TensorRT 8.5 and newer can build, on a desktop without TensorRT.

Source: `docs/operators.md` ("TensorRT 8.5 supports operators up to Opset 17") and `docs/Changelog.md` of
onnx/onnx-tensorrt at 6d0ab7be. 8.5 is that of JetPack 5.1; what it can do the later ones can.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import onnx
from onnx import TensorProto

from ..edge.errors import InputError

OPSET_MAX = 17
# Half and double precision are known to TensorRT and left out: the grey levels, the PCC and the memory need float32.
# 64-bit integers are shapes and indices; before TensorRT 9 they are cast down to 32 bits.
TYPES = {TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL}
RESIZE_MODES = (b"nearest", b"linear")
RESIZE_COORDINATES = (b"half_pixel", b"pytorch_half_pixel", b"asymmetric", b"align_corners")

Constants = set[str]
Constraint = Callable[[onnx.NodeProto, Constants], str]  # what is wrong with a node, empty for nothing


def _any(node: onnx.NodeProto, constants: Constants) -> str:
    return ""


def _planar(node: onnx.NodeProto, constants: Constants) -> str:
    kernel = _attribute(node, "kernel_shape", [])
    return "" if len(kernel) in (0, 2, 3) else f"kernel_shape is {list(kernel)}, only 2D and 3D are built"


def _constant_weights(node: onnx.NodeProto, constants: Constants) -> str:
    return _planar(node, constants) or ("" if node.input[1] in constants else "its weights are no constant")


def _constant_axes(node: onnx.NodeProto, constants: Constants) -> str:
    named = len(node.input) > 3 and node.input[3]
    return "its axes are no constant, which TensorRT takes from 10.3 on" if named and named not in constants else ""


def _fixed_axes(node: onnx.NodeProto, constants: Constants) -> str:
    return "" if len(node.input) < 2 or node.input[1] in constants else "its axes are no constant"


def _plain_resize(node: onnx.NodeProto, constants: Constants) -> str:
    if _attribute(node, "antialias", 0):
        return "antialias is refused by TensorRT's parser"
    mode = _attribute(node, "mode", b"nearest")
    coordinates = _attribute(node, "coordinate_transformation_mode", b"half_pixel")
    if mode not in RESIZE_MODES:
        return f"mode is {mode.decode()}, of which TensorRT builds nearest and linear"
    return "" if coordinates in RESIZE_COORDINATES else f"coordinate_transformation_mode is {coordinates.decode()}"


def _to_known_type(node: onnx.NodeProto, constants: Constants) -> str:
    to = _attribute(node, "to", TensorProto.UNDEFINED)
    return "" if to in TYPES else f"casts to {TensorProto.DataType.Name(to)}"


# All marked Y in the table of operators.md, and there for float32; with what it says restricts them.
SUPPORTED: dict[str, Constraint] = {
    "Abs": _any,
    "Add": _any,
    "AveragePool": _planar,  # 2D or 3D
    "BatchNormalization": _any,
    "Cast": _to_known_type,
    "Clip": _any,
    "Concat": _any,
    "Constant": _any,
    "ConstantOfShape": _any,
    "Conv": _constant_weights,  # kernels that are computed: from 8.5 on, and slow
    "ConvTranspose": _constant_weights,
    "Div": _any,
    "Exp": _any,
    "Expand": _any,
    "Flatten": _any,
    "Floor": _any,
    "Gather": _any,
    "Gemm": _any,
    "Identity": _any,
    "Log": _any,
    "MatMul": _any,
    "Max": _any,
    "MaxPool": _planar,
    "Min": _any,
    "Mod": _any,  # new in 8.5
    "Mul": _any,
    "Neg": _any,
    "Pad": _any,
    "Pow": _any,
    "Reciprocal": _any,  # new in 8.5
    "ReduceMean": _any,
    "ReduceSum": _any,
    "Relu": _any,
    "Reshape": _any,
    "Resize": _plain_resize,  # nearest and linear; antialias is of opset 18 and refused by the parser
    "Shape": _any,
    "Sigmoid": _any,
    "Slice": _constant_axes,
    "Split": _any,
    "Sqrt": _any,
    "Squeeze": _fixed_axes,
    "Sub": _any,
    "Tanh": _any,
    "Transpose": _any,
    "Unsqueeze": _fixed_axes,
    "Where": _any,
}


def check_tensorrt(model: onnx.ModelProto) -> Counter[str]:
    """Count the nodes of each operator. Raises InputError that names the first node that TensorRT cannot build."""
    for entry in model.opset_import:
        if entry.domain or entry.version > OPSET_MAX:
            raise InputError(
                f"TensorRT 8.5 reads ONNX opset {OPSET_MAX} and older, the graph has {entry.domain} {entry.version}"
            )
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    for value in (*graph.input, *graph.output):
        if not all(axis.HasField("dim_value") for axis in value.type.tensor_type.shape.dim):
            raise InputError(f"{value.name} has no fixed shape, which the engine needs")
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" or (node.op_type == "Identity" and node.input[0] in constants):
            constants.update(node.output)
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.output, *graph.value_info)}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    inputs = {value.name for value in graph.input}
    for node in graph.node:
        if problem := _problem(node, constants) or _type_problem(node, types, inputs):
            raise InputError(f"TensorRT cannot build {node.op_type} {node.name}: {problem}")
    return Counter(node.op_type for node in graph.node)


def _problem(node: onnx.NodeProto, constants: Constants) -> str:
    constraint = SUPPORTED.get(node.op_type)
    return "the operator is not among those it is known to build" if constraint is None else constraint(node, constants)


def _type_problem(node: onnx.NodeProto, types: dict[str, int], inputs: set[str]) -> str:
    for name in (*node.input, *node.output):
        kind = types.get(name, TensorProto.FLOAT)  # of a constant that shape inference passes over
        if kind in TYPES or (kind == TensorProto.UINT8 and name in inputs and node.op_type == "Cast"):
            continue
        told = TensorProto.DataType.Name(kind).lower()
        only = "; uint8 may only be an input that is cast at once" if kind == TensorProto.UINT8 else ""
        return f"{name} is {told}{only}"
    return ""


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    return next((onnx.helper.get_attribute_value(entry) for entry in node.attribute if entry.name == name), default)
