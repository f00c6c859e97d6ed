"""The shapes that each operator of our graphs makes of its inputs' shapes, as the ONNX operators of opset 17 define it.

Reshape, Pad and others take a shape or offsets as values, so the values of small tensors are followed too. Whatever is
not known, or is none of the forms that the exporter writes, raises an error: no runtime sees such a model.
"""

from collections.abc import Callable
from math import floor, prod
from typing import Any

import numpy as np

from .graph_products import PRODUCTS, Rule
from .onnx_file import DTYPES, KEPT_MAX, Node, Tensor


def shapes_after(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    """Return what a node makes of its inputs, or raise an error of Python or numpy when that is not known."""
    return RULES[node.operator](node, inputs)


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


_ALIKE = ("Abs", "BatchNormalization", "Clip", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Relu")
_BROADCAST = ("Add", "Div", "Max", "Min", "Mul", "Pow", "Sub", "Where")
RULES: dict[str, Rule] = {
    **dict.fromkeys((*_ALIKE, "Sigmoid", "Sqrt", "Tanh"), _like_first),
    **dict.fromkeys(_BROADCAST, _broadcast),
    **PRODUCTS,
    **dict.fromkeys(("ReduceMean", "ReduceSum"), _reduce),
    "Cast": _cast,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Identity": _identity,
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
