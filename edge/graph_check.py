"""Looks into an ONNX file before a runtime does: what no graph of ours needs is refused, unread.

The sum in `bundle.json` finds damage, but whoever makes up a model makes up the sum too. Such a model could name files
outside or loop for ever, before the first frame. Protocol buffers are simple enough to be read without onnx, which the
car does not have. The work of a model is bounded roughly: by its nodes, and by the weights that it multiplies with. A
model that asks for more memory than there is is not found here.
"""

from collections.abc import Iterator

from .errors import InputError

# As in `export.tensorrt_support`, which says what the exporter may write; a test compares them. None holds a graph.
# fmt: off
OPERATORS = {
    "Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape",
    "Conv", "ConvTranspose", "Div", "Exp", "Expand", "Flatten", "Floor", "Gather", "Gemm", "Identity", "Log",
    "MatMul", "Max", "MaxPool", "Min", "Mod", "Mul", "Neg", "Pad", "Pow", "Reciprocal", "ReduceMean", "ReduceSum",
    "Relu", "Reshape", "Resize", "Shape", "Sigmoid", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Tanh",
    "Transpose", "Unsqueeze", "Where",
}
# fmt: on
# Fields of onnx.proto3, by number
GRAPH, FUNCTIONS = 7, 25  # of a model
NODE, INITIALIZER, SPARSE_INITIALIZER = 1, 5, 15  # of a graph
INPUT, OUTPUT, OPERATOR, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7  # of a node
TENSOR, SUBGRAPH, TENSORS, SUBGRAPHS, SPARSE, SPARSES = 5, 6, 10, 11, 22, 23  # of an attribute
TENSOR_NAME, EXTERNAL_DATA, DATA_LOCATION = 8, 13, 14  # of a tensor
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5  # how a field is written
PRODUCTS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}  # whose work is the size of their weights, at each position
NODES_MAX = 1000  # ours have 300
PRODUCT_BYTES_MAX = 64 * 2**20  # of weights over all products; ours have 1 MB, each used once
KEY_MAX = 2**32 - 1  # protobuf drops the bits above


def check_graph(model: bytes) -> None:
    """Raises InputError, naming it, for anything in an ONNX file that no graph of ours holds."""
    try:
        for field, value in _fields(memoryview(model)):
            if field == FUNCTIONS:
                raise InputError("the model defines functions")
            if field == GRAPH:
                _check(value)
    except InputError:
        raise
    except (IndexError, ValueError):
        raise InputError("the model is no ONNX file") from None


def _check(graph: memoryview) -> None:
    stored: dict[bytes, int] = {}  # bytes of the initializers and constants, by name
    nodes: list[memoryview] = []
    for field, value in _fields(graph):
        if field == SPARSE_INITIALIZER:
            raise InputError("the model holds sparse tensors")
        if field == INITIALIZER:
            _check_tensor(value)
            stored |= {bytes(name): len(value) for kind, name in _fields(value) if kind == TENSOR_NAME}
        elif field == NODE:
            _check_node(value)
            nodes.append(value)
            if len(nodes) > NODES_MAX:
                raise InputError(f"the model has more than {NODES_MAX} nodes")
    _check_work(nodes, stored)


def _check_work(nodes: list[memoryview], stored: dict[bytes, int]) -> None:
    """Raise InputError where products take too many weights, or multiply what is not stored in the model."""
    products: list[list[bytes]] = []
    for node in nodes:
        names: dict[int, list[bytes]] = {INPUT: [], OUTPUT: [], OPERATOR: []}
        for field, value in _fields(node):
            if field in names:
                names[field].append(bytes(value))
        operator = names[OPERATOR][-1].decode() if names[OPERATOR] else ""  # the last counts, as in protobuf
        if operator == "Constant":
            stored |= dict.fromkeys(names[OUTPUT], len(node))
        elif operator in PRODUCTS:
            products.append(names[INPUT])
    taken = 0
    for inputs in products:
        weights = [stored[name] for name in inputs if name in stored]
        if not weights:
            raise InputError("the model multiplies what is not stored in it")
        taken += max(weights)
    if taken > PRODUCT_BYTES_MAX:
        raise InputError(f"the products of the model take {taken >> 20} MB of weights, ours take 1 MB")


def _check_node(node: memoryview) -> None:
    for field, value in _fields(node):
        if field == OPERATOR and (name := bytes(value).decode()) not in OPERATORS:
            raise InputError(f"the model has the operator {name[:40]!r}, which no model of ours has")
        if field == DOMAIN and len(value):
            raise InputError("the model has operators that are not of ONNX")
        if field == ATTRIBUTE:
            for kind, part in _fields(value):
                if kind in (SUBGRAPH, SUBGRAPHS, SPARSE, SPARSES):
                    raise InputError("the model holds graphs in its graph, or sparse tensors")
                if kind in (TENSOR, TENSORS):
                    _check_tensor(part)


def _check_tensor(tensor: memoryview) -> None:
    if any(field in (EXTERNAL_DATA, DATA_LOCATION) for field, _ in _fields(tensor)):
        raise InputError("the model names other files")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and bytes of each field, no bytes for numbers. Raises IndexError or ValueError if malformed."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key > KEY_MAX:
            raise ValueError("a field number that protobuf would cut")
        kind, length = key & 7, 0
        if kind == VARINT:
            _, at = _varint(message, at)
        elif kind == BYTES:
            length, at = _varint(message, at)
        elif kind in (FIXED_64, FIXED_32):
            at += 8 if kind == FIXED_64 else 4
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
            if byte == 0 and shift > 7:  # a runtime may read another number than this
                raise ValueError("a number longer than needed")
            return number, at
        if shift > 63:
            raise ValueError("a number without end")
