"""The shapes that each operator of our graphs makes of its inputs' shapes, as the ONNX operators of opset 17 define it.

Reshape, Pad and others take a shape or offsets as values, so the values of small tensors are followed too. Whatever is
not known, or is none of the forms that the exporter writes, raises an error: no runtime sees such a model.
"""

from collections.abc import Callable, Sequence
from math import floor, prod
from typing import Any

import numpy as np

from .onnx_file import DTYPES, KEPT_MAX, Node, Tensor

Shape = tuple[int, ...]
Rule = Callable[[Node, list[Tensor]], list[Tensor]]


def shapes_after(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    """Return what a node makes of its inputs, or raise an error of Python or numpy when that is not known."""
    return RULES[node.operator](node, inputs)


def multiply_adds(node: Node, inputs: list[Tensor], outputs: list[Tensor]) -> int:
    """Return the multiply-adds of a node, or how many elements it touches if they are more."""
    made = sum(prod(tensor.shape) for tensor in outputs)
    touched = made + sum(prod(tensor.shape) for tensor in inputs)
    if node.operator in ("AveragePool", "MaxPool"):
        return touched + made * prod(node.attributes["kernel_shape"])
    if node.operator == "Conv":
        return touched + made * prod(inputs[1].shape[1:])
    if node.operator == "ConvTranspose":
        return touched + prod(inputs[0].shape) * prod(inputs[1].shape[1:])
    if node.operator in ("Gemm", "MatMul"):
        return touched + made * inputs[0].shape[0 if node.attributes.get("transA") else -1]
    return touched


def _like_first(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    return [Tensor(inputs[0].shape)]


def _identity(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    return [inputs[0]]


def _broadcast(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    shape = np.broadcast_shapes(*(tensor.shape for tensor in inputs))
    calculate: Any = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}.get(node.operator)
    values = [tensor.values for tensor in inputs]
    if calculate is None or prod(shape) > KEPT_MAX or any(value is None for value in values):
        return [Tensor(shape)]
    return [Tensor(shape, calculate(*values))]


def _modulo(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    values, divisors = inputs[0].values, inputs[1].values
    if values is None or divisors is None or node.attributes.get("fmod") or not np.all(divisors):
        return _broadcast(node, inputs)
    return [Tensor(np.broadcast_shapes(values.shape, divisors.shape), np.mod(values, divisors))]


def _moved(node: Node, inputs: list[Tensor], move: Callable[[Any], Any]) -> list[Tensor]:
    """Apply what only moves elements: to the values if they are known, else to a view that takes no memory."""
    first = inputs[0]
    if first.values is not None:
        values = move(first.values)
        return [Tensor(values.shape, values if values.size <= KEPT_MAX else None)]
    return [Tensor(move(np.broadcast_to(np.uint8(0), first.shape)).shape)]


def _cast(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    values = inputs[0].values
    return [Tensor(inputs[0].shape, None if values is None else values.astype(DTYPES[node.attributes["to"]]))]


def _known(tensor: Tensor) -> list[int]:
    """Return the values of a list of integers. Raises TypeError if it is none or not known."""
    if tensor.values is None or tensor.values.dtype.kind != "i" or tensor.values.ndim > 1:
        raise TypeError("not known")
    return [int(value) for value in tensor.values.reshape(-1)]


def _shape(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    if node.attributes:
        raise ValueError("a part of a shape")
    return [Tensor((len(inputs[0].shape),), np.array(inputs[0].shape, np.int64))]


def _constant(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    return [node.attributes["value"]]


def _constant_of_shape(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    shape = tuple(_known(inputs[0]))
    value = node.attributes["value"].values if node.attributes else np.zeros(1, np.float32)
    if min(shape, default=0) < 0 or value.size != 1:
        raise ValueError("a negative size")
    return [Tensor(shape, np.full(shape, value.item(), value.dtype) if prod(shape) <= KEPT_MAX else None)]


def _concat(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    first = list(inputs[0].shape)
    axis = range(len(first))[node.attributes["axis"]]
    for tensor in inputs[1:]:
        if (*tensor.shape[:axis], *tensor.shape[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]):
            raise ValueError("other sizes")
    first[axis] = sum(tensor.shape[axis] for tensor in inputs)
    values = [tensor.values for tensor in inputs]
    known = prod(first) <= KEPT_MAX and all(value is not None for value in values)
    return [Tensor(tuple(first), np.concatenate(values, axis) if known else None)]  # type: ignore[arg-type]


def _reshape(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    wanted = _known(inputs[1])
    if not node.attributes.get("allowzero"):
        wanted = [inputs[0].shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    return _moved(node, inputs, lambda values: values.reshape(wanted))


def _flatten(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    shape, axis = inputs[0].shape, node.attributes.get("axis", 1)
    return [Tensor((prod(shape[:axis]), prod(shape[axis:])))]


def _transpose(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    return _moved(node, inputs, lambda values: values.transpose(node.attributes["perm"]))


def _squeeze(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    return _moved(node, inputs, lambda values: values.squeeze(tuple(_known(inputs[1]))))


def _unsqueeze(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    return _moved(node, inputs, lambda values: np.expand_dims(values, tuple(_known(inputs[1]))))


def _slice(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    starts, ends = _known(inputs[1]), _known(inputs[2])
    axes = _known(inputs[3]) if len(inputs) > 3 else list(range(len(starts)))
    steps = _known(inputs[4]) if len(inputs) > 4 else [1] * len(starts)
    parts = [slice(None)] * len(inputs[0].shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        parts[axis] = slice(start, end, step)  # which mean the same in Python
    return _moved(node, inputs, lambda values: values[tuple(parts)])


def _gather(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    axis = range(len(inputs[0].shape))[node.attributes.get("axis", 0)]
    before, after = inputs[0].shape[:axis], inputs[0].shape[axis + 1 :]
    shape = (*before, *inputs[1].shape, *after)
    known = inputs[0].values is not None and inputs[1].values is not None and prod(shape) <= KEPT_MAX
    return [Tensor(shape, np.take(inputs[0].values, inputs[1].values, axis) if known else None)]  # type: ignore[arg-type]


def _split(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    shape = list(inputs[0].shape)
    axis = range(len(shape))[node.attributes.get("axis", 0)]
    parts = _known(inputs[1]) if len(inputs) > 1 else [shape[axis] // len(node.outputs)] * len(node.outputs)
    if min(parts) < 0 or sum(parts) != shape[axis] or len(parts) != len(node.outputs):
        raise ValueError("parts of another whole")
    return [Tensor((*shape[:axis], part, *shape[axis + 1 :])) for part in parts]


def _expand(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    return [Tensor(np.broadcast_shapes(inputs[0].shape, tuple(_known(inputs[1]))))]


def _pad(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    shape, pads = inputs[0].shape, _known(inputs[1])
    before, after = pads[: len(shape)], pads[len(shape) :]
    padded = tuple(sum(sizes) for sizes in zip(shape, before, after, strict=True))
    if min(padded, default=0) < 0:
        raise ValueError("a negative size")
    return [Tensor(padded)]


def _resize(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    scales = inputs[2].values  # no sizes, and no region of interest
    if len(inputs) != 3 or scales is None or not np.all(scales > 0):
        raise ValueError("not by known scales")
    return [Tensor(tuple(floor(size * float(by)) for size, by in zip(inputs[0].shape, scales, strict=True)))]


def _reduce(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    axes = node.attributes.get("axes") or (_known(inputs[1]) if len(inputs) > 1 else [])
    if not axes and node.attributes.get("noop_with_empty_axes"):
        raise ValueError("nothing is reduced")
    everywhere = range(len(inputs[0].shape))
    reduced = {everywhere[axis] for axis in axes} or set(everywhere)
    kept = [(1 if axis in reduced else size) for axis, size in enumerate(inputs[0].shape)]
    if not node.attributes.get("keepdims", 1):
        kept = [size for axis, size in enumerate(kept) if axis not in reduced]
    return [Tensor(tuple(kept))]


def _matmul(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    (*before, rows, inner), (*more, same, columns) = inputs[0].shape, inputs[1].shape
    if inner != same:
        raise ValueError("other sizes")
    return [Tensor((*np.broadcast_shapes(tuple(before), tuple(more)), rows, columns))]


def _gemm(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    first, second = inputs[0].shape, inputs[1].shape
    (rows, inner) = reversed(first) if node.attributes.get("transA") else first
    (same, columns) = reversed(second) if node.attributes.get("transB") else second
    if inner != same:
        raise ValueError("other sizes")
    return [Tensor((rows, columns))]


def _window(node: Node, kernel: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return what the kernel covers, its stride and the padding of both sides, for each axis in space."""
    attributes = node.attributes
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET" or attributes.get("ceil_mode"):
        raise ValueError("another kind of padding")
    ones = [1] * len(kernel)
    dilations, strides = attributes.get("dilations", ones), attributes.get("strides", ones)
    pads = attributes.get("pads", [0, 0] * len(kernel))
    if min(*kernel, *dilations, *strides) < 1 or min(pads) < 0:
        raise ValueError("no size")
    around = [sum(sides) for sides in zip(pads[: len(kernel)], pads[len(kernel) :], strict=True)]
    covered = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    return list(zip(covered, strides, around, strict=True))


def _slid(shape: Shape, windows: list[tuple[int, int, int]]) -> list[int]:
    sizes = [
        (size + around - covered) // stride + 1 for size, (covered, stride, around) in zip(shape, windows, strict=True)
    ]
    if min(sizes) < 1:
        raise ValueError("a kernel larger than what it slides over")
    return sizes


def _pool(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    batch, channels, *space = inputs[0].shape
    return [Tensor((batch, channels, *_slid(tuple(space), _window(node, node.attributes["kernel_shape"]))))]


def _convolve(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    (batch, channels, *space), (kernels, taken, *kernel) = inputs[0].shape, inputs[1].shape
    if taken * node.attributes.get("group", 1) != channels:
        raise ValueError("other channels")
    return [Tensor((batch, kernels, *_slid(tuple(space), _window(node, kernel))))]


def _convolve_transposed(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    (batch, channels, *space), (taken, kernels, *kernel) = inputs[0].shape, inputs[1].shape
    if taken != channels or {"output_shape", "output_padding"} & set(node.attributes):
        raise ValueError("other channels, or a size of its own")
    sizes = [
        (size - 1) * stride + covered - around
        for size, (covered, stride, around) in zip(space, _window(node, kernel), strict=True)
    ]
    if min(sizes) < 1:
        raise ValueError("no size")
    return [Tensor((batch, kernels * node.attributes.get("group", 1), *sizes))]


_ALIKE = ("Abs", "BatchNormalization", "Clip", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Relu")
_BROADCAST = ("Add", "Div", "Max", "Min", "Mul", "Pow", "Sub", "Where")
RULES: dict[str, Rule] = {
    **dict.fromkeys((*_ALIKE, "Sigmoid", "Sqrt", "Tanh"), _like_first),
    **dict.fromkeys(_BROADCAST, _broadcast),
    **dict.fromkeys(("AveragePool", "MaxPool"), _pool),
    **dict.fromkeys(("ReduceMean", "ReduceSum"), _reduce),
    "Cast": _cast,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _convolve,
    "ConvTranspose": _convolve_transposed,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "Identity": _identity,
    "MatMul": _matmul,
    "Mod": _modulo,
    "Pad": _pad,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
