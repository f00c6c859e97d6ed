"""Reads an ONNX file before a runtime does: what no graph of ours needs is refused, unread.

The sum in `bundle.json` finds damage, but whoever makes up a model makes up the sum too. Such a model could name files
outside or loop for ever, before the first frame. Protocol buffers are simple enough to be read without onnx, which the
car does not have. A reader may keep the last of two fields or merge them, and may drop bits of a long number: only the
encoding that leaves no choice is accepted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

OPSET = 17
NODES_MAX = 1000  # ours have 300
FIELDS_MAX = 32  # of any message but the graph, which has its nodes; ours have 12
AXES_MAX = 8  # of a tensor; ours have 5
KEPT_MAX = 64  # elements of a tensor whose values are kept: sizes, axes and offsets, not weights
KEY_MAX = 2**32 - 1  # protobuf drops the bits above
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5  # how a field is written
# The types of tensors and of `Cast` by their number in onnx.proto3; numbers in a file are little-endian
DTYPES = {number: np.dtype(f"<{kind}") for number, kind in ((1, "f4"), (2, "u1"), (6, "i4"), (7, "i8"), (9, "?"))}
# Fields by their number in onnx.proto3; those that are not named here say nothing that matters
GRAPH, OPSET_IMPORT, FUNCTIONS = 7, 8, 25  # of a model
DOMAIN_OF_OPSET, VERSION = 1, 2  # of an opset
NODE, INITIALIZER, SPARSE_INITIALIZER = 1, 5, 15  # of a graph
INPUT, OUTPUT, OPERATOR, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7  # of a node
NAME, INT, STRING, TENSOR, INTS = 1, 3, 4, 5, 8  # of an attribute
SUBGRAPH, TENSORS, SUBGRAPHS, SPARSE, SPARSES = 6, 10, 11, 22, 23  # of an attribute, never used by us
TYPE, FLOAT, FLOATS = 20, 2, 7  # of an attribute
TYPES = {FLOAT: 1, INT: 2, STRING: 3, TENSOR: 4, FLOATS: 6, INTS: 7}  # the type that each field of a value has
DIMENSION, DATA_TYPE, TENSOR_NAME, RAW_DATA, EXTERNAL_DATA, DATA_LOCATION = 1, 2, 8, 9, 13, 14  # of a tensor

Field = tuple[int, Any]  # its number; an int for a varint, else the bytes


@dataclass(frozen=True)
class Tensor:
    """The shape of a tensor, and its values if they are known and few."""

    shape: tuple[int, ...]
    values: NDArray[Any] | None = None


@dataclass(frozen=True)
class Node:
    """An operator with the names of its inputs and outputs; an omitted input is empty."""

    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]  # an int, a list of ints, a Tensor or bytes


def read_graph(model: bytes) -> tuple[list[Node], dict[str, Tensor]]:
    """Read nodes and stored tensors. Raises InputError, naming it, for anything that no graph of ours holds."""
    try:
        return _graph(_model(memoryview(model)))
    except InputError:
        raise
    except (IndexError, TypeError, ValueError):
        raise InputError("the model is no ONNX file") from None


def _model(model: memoryview) -> memoryview:
    """Return the only graph of a model that uses nothing but ONNX itself."""
    fields = list(fields_of(model))
    if any(number == FUNCTIONS for number, _ in fields):
        raise InputError("the model defines functions")
    opset = dict(fields_of(_only(fields, OPSET_IMPORT)))
    if len(opset.get(DOMAIN_OF_OPSET, b"")) or opset.get(VERSION) != OPSET:
        raise InputError(f"the model is not of ONNX opset {OPSET}, as ours are")
    return _only(fields, GRAPH)


def _graph(graph: memoryview) -> tuple[list[Node], dict[str, Tensor]]:
    nodes: list[Node] = []
    stored: dict[str, Tensor] = {}
    for number, value in fields_of(graph, 4 * NODES_MAX):
        if number == SPARSE_INITIALIZER:
            raise InputError("the model holds sparse tensors")
        if number == INITIALIZER:
            name, tensor = _tensor(value)
            if name in stored:
                raise ValueError("two tensors of one name")
            stored[name] = tensor
        elif number == NODE:
            nodes.append(_node(value))
            if len(nodes) > NODES_MAX:
                raise InputError(f"the model has more than {NODES_MAX} nodes")
    return nodes, stored


def _node(node: memoryview) -> Node:
    fields = list(fields_of(node))
    if len(_only(fields, DOMAIN, b"")):
        raise InputError("the model has operators that are not of ONNX")
    inputs, outputs = ([bytes(value).decode() for number, value in fields if number == end] for end in (INPUT, OUTPUT))
    attributes = [_attribute(value) for number, value in fields if number == ATTRIBUTE]
    if len(dict(attributes)) < len(attributes):
        raise ValueError("two attributes of one name")
    return Node(bytes(_only(fields, OPERATOR)).decode(), inputs, outputs, dict(attributes))


def _attribute(attribute: memoryview) -> tuple[str, Any]:
    fields = list(fields_of(attribute))
    if any(number in (SUBGRAPH, SUBGRAPHS, SPARSE, SPARSES, TENSORS) for number, _ in fields):
        raise InputError("the model holds graphs in its graph, or sparse tensors")
    kinds = {number for number, _ in fields if number in TYPES}
    kind = kinds.pop() if kinds else INTS
    if kinds or TYPES[kind] != _only(fields, TYPE):
        raise ValueError("an attribute with another value than its type")
    value: Any = None  # of numbers with a point, which say nothing of shapes
    if kind == INTS:
        value = _integers(fields, INTS)
    elif kind == INT:
        value = _signed(_only(fields, INT))
    elif kind == STRING:
        value = bytes(_only(fields, STRING))
    elif kind == TENSOR:
        value = _tensor(_only(fields, TENSOR))[1]
    return bytes(_only(fields, NAME)).decode(), value


def _tensor(tensor: memoryview) -> tuple[str, Tensor]:
    fields = list(fields_of(tensor))
    if any(number in (EXTERNAL_DATA, DATA_LOCATION) for number, _ in fields):
        raise InputError("the model names other files")
    shape = tuple(_integers(fields, DIMENSION))
    if len(shape) > AXES_MAX:
        raise InputError(f"the model holds a tensor of {len(shape)} axes")
    data, dtype = _only(fields, RAW_DATA, b""), DTYPES.get(_only(fields, DATA_TYPE))
    # So a shape is never larger than the file that holds its numbers.
    if dtype is None or min(shape, default=0) < 0 or len(data) != prod(shape) * dtype.itemsize:
        raise InputError("the model holds a tensor whose data is not of its shape and type")
    values = np.frombuffer(data, dtype).reshape(shape) if prod(shape) <= KEPT_MAX else None
    return bytes(_only(fields, TENSOR_NAME, b"")).decode(), Tensor(shape, values)


def _only(fields: list[Field], wanted: int, missing: Any = None) -> Any:
    """Return the value of a field that may be there once. Raises ValueError."""
    found = [value for number, value in fields if number == wanted]
    if len(found) > 1 or (not found and missing is None):
        raise ValueError(f"field {wanted} is there {len(found)} times")
    return found[0] if found else missing


def _integers(fields: list[Field], wanted: int) -> list[int]:
    """Return a list of numbers, each of which is a field of its own. Raises TypeError if they are packed into one."""
    return [_signed(value) for number, value in fields if number == wanted]


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def fields_of(message: memoryview, most: int = FIELDS_MAX) -> Iterator[Field]:
    """Yield each field. Raises IndexError or ValueError if malformed, InputError for more than `most`."""
    at = count = 0
    while at < len(message):
        count += 1
        if count > most:
            raise InputError(f"the model has a part of more than {most} fields")
        key, at = _varint(message, at)
        if key > KEY_MAX:
            raise ValueError("a field number that protobuf would cut")
        kind, length = key & 7, 0
        if kind == VARINT:
            number, at = _varint(message, at)
            yield key >> 3, number
            continue
        if kind == BYTES:
            length, at = _varint(message, at)
        elif kind in (FIXED_64, FIXED_32):
            length = 8 if kind == FIXED_64 else 4
        else:
            raise ValueError(f"kind {kind}")
        if at + length > len(message):
            raise ValueError("its end is missing")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Read a number of up to ten bytes; return it and the start of the next field. Refuse any but the shortest form."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            if (byte == 0 and shift > 7) or number >= 2**64:  # a runtime may read another number than this
                raise ValueError("a number longer than needed")
            return number, at
        if shift > 63:
            raise ValueError("a number without end")
