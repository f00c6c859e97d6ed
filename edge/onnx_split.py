"""Cuts the part out of an ONNX file that computes some of its tensors from others.

The car has no onnx, so this works on the encoded fields: each node and each stored tensor is kept as it is or left out.
"""

from collections.abc import Iterable

from .errors import InputError
from .onnx_file import (
    BYTES,
    GRAPH,
    INITIALIZER,
    INPUT,
    NODE,
    NODES_MAX,
    OPSET_IMPORT,
    OUTPUT,
    TENSOR_NAME,
    VARINT,
    Field,
    fields_of,
)

# Fields by their number in onnx.proto3, as in `onnx_file`
IR_VERSION = 1  # of a model
GRAPH_NAME, GRAPH_INPUT, GRAPH_OUTPUT = 2, 11, 12  # of a graph
ENDS = (GRAPH_INPUT, GRAPH_OUTPUT)
VALUE_NAME = 1  # of an input or an output of a graph


def part_of(model: bytes, inputs: Iterable[str], outputs: Iterable[str]) -> bytes:
    """Return the ONNX file that computes `outputs` from `inputs`, each of them an input or an output of this file.

    `onnx_file.read_graph` must have accepted the file. Raises InputError if it has no such inputs and outputs, or if
    the outputs depend on anything but these inputs and on stored tensors.
    """
    fields = dict(fields_of(memoryview(model)))
    graph = _encoded(_part_of_graph(fields[GRAPH], set(inputs), set(outputs)))
    return _encoded([(IR_VERSION, fields[IR_VERSION]), (GRAPH, graph), (OPSET_IMPORT, fields[OPSET_IMPORT])])


def _part_of_graph(graph: memoryview, given: set[str], wanted: set[str]) -> list[Field]:
    fields = list(fields_of(graph, 4 * NODES_MAX))
    ends = {name: value for number, value in fields if number in ENDS for name in _names(value, VALUE_NAME)}
    nodes: list[Field] = []
    needed = set(wanted)
    for number, value in reversed(fields):  # a node comes after those whose outputs it takes
        if number == NODE and _names(value, OUTPUT) & (needed - given):
            nodes.append((number, value))
            needed |= _names(value, INPUT)
    stored = [
        (number, value) for number, value in fields if number == INITIALIZER and _names(value, TENSOR_NAME) & needed
    ]
    made = [_names(value, OUTPUT) for _, value in nodes] + [_names(value, TENSOR_NAME) for _, value in stored]
    missing = (given | wanted) - ends.keys() or needed.difference(given, {""}, *made)
    if missing:
        raise InputError(f"the model does not make {', '.join(sorted(wanted))}: it lacks {', '.join(sorted(missing))}")
    inputs, outputs = (
        [(GRAPH_INPUT, ends[name]) for name in sorted(given)],
        [(GRAPH_OUTPUT, ends[name]) for name in sorted(wanted)],
    )
    return [*reversed(nodes), (GRAPH_NAME, b"part"), *stored, *inputs, *outputs]


def _names(message: memoryview, field: int) -> set[str]:
    """Return the strings of a field that may be there several times."""
    return {bytes(value).decode() for number, value in fields_of(message) if number == field}


def _encoded(fields: Iterable[Field]) -> bytes:
    """Write fields as protocol buffers do."""
    written = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            written += _varint(number << 3 | VARINT) + _varint(value)
        else:
            written += _varint(number << 3 | BYTES) + _varint(len(value)) + value
    return bytes(written)


def _varint(number: int) -> bytes:
    """Write a number, seven bits in each byte, the lowest first."""
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)
