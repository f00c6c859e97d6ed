"""Bounds the work of a model before a runtime sees it: what its operators compute, and the memory for what they make.

A file of a few kilobytes can ask for hours of products. ONNX Runtime computes what is constant while it opens a model,
so that would hang the start of the car.
"""

from math import prod

import numpy as np

from .errors import InputError
from .graph import FEATURE_MAPS, FEATURE_SIDE, GRAPH_INPUTS, RUNNING_MEANS_SIZE, TIME_CONSTANTS_S
from .graph_products import multiply_adds
from .graph_shapes import RULES, shapes_after
from .onnx_file import Tensor, read_graph

# Ours take 14 to 89 million multiply-adds and make 2 million elements, and 35 and 14 more for each pixel.
MULTIPLY_ADDS_MAX, MULTIPLY_ADDS_PER_PIXEL = 10**9, 100
ELEMENTS_MAX, ELEMENTS_PER_PIXEL = 3 * 10**7, 20


def check_graph(model: bytes, height: int, width: int) -> None:
    """Raise InputError, naming it, for anything in an ONNX file that no graph of ours for this frame size holds."""
    work, elements = graph_work(model, height, width)
    for found, bound, unit in (
        (elements, ELEMENTS_MAX + ELEMENTS_PER_PIXEL * height * width, "numbers in memory"),
        (work, MULTIPLY_ADDS_MAX + MULTIPLY_ADDS_PER_PIXEL * height * width, "multiply-adds"),
    ):
        if found > bound:
            raise InputError(
                f"the model takes {found / 1e6:.0f} million {unit} or more, the bound is {bound / 1e6:.0f}"
            )


def graph_work(model: bytes, height: int, width: int) -> tuple[int, int]:
    """Return multiply-adds and elements of a model for one frame, at least; all of them if they are within the bounds.

    Raises InputError if a shape cannot be determined or the model holds what none of ours holds.
    """
    nodes, stored = read_graph(model)
    means = len(TIME_CONSTANTS_S)
    given = ((height, width, 3), (means, RUNNING_MEANS_SIZE), (means,), (2, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE))
    tensors = dict(stored)
    for name, shape in zip(GRAPH_INPUTS, given, strict=True):
        _add(tensors, name, Tensor(shape))
    work = elements = 0
    for node in nodes:
        if node.operator not in RULES:
            raise InputError(f"the model has the operator {node.operator[:40]!r}, which no model of ours has")
        try:
            # An input that is left out stands for a default: it has no size of its own.
            inputs = [tensors[name] if name else Tensor((0,)) for name in node.inputs]
            with np.errstate(all="ignore"):  # values that overflow do so in a runtime too
                outputs = shapes_after(node, inputs)
            for name, tensor in zip(node.outputs, outputs, strict=True):
                _add(tensors, name, tensor)
        except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise InputError(
                f"the model has an operator {node.operator} of which the shape cannot be determined"
            ) from None
        work += multiply_adds(node, inputs, outputs)
        elements += sum(prod(tensor.shape) for tensor in outputs)
        if max(work, elements) > 2**62:  # before the numbers themselves take long
            break
    return work, elements


def _add(tensors: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if name in tensors:
        raise InputError("the model makes two tensors of one name")
    tensors[name] = tensor
