"""The shapes and the work of convolutions, pooling and products of matrices, as ONNX opset 17 defines them."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from .onnx_file import Node, Tensor

Rule = Callable[[Node, list[Tensor]], list[Tensor]]


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


def _slid(shape: tuple[int, ...], windows: list[tuple[int, int, int]]) -> list[int]:
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


PRODUCTS: dict[str, Rule] = {
    "AveragePool": _pool,
    "Conv": _convolve,
    "ConvTranspose": _convolve_transposed,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MaxPool": _pool,
}
