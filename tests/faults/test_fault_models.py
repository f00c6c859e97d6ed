"""Hostile models whose bundle.json has the right checksum: refused before a runtime sees them."""

import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge import Bundle, InputError
from mle_uvad.edge.graph_check import OPERATORS, check_graph

onnx = pytest.importorskip("onnx", reason="needs onnx to make the hostile models: pip install 'mle_uvad[export]'")
FLOAT = onnx.TensorProto.FLOAT


def model(nodes: list[Any], weights: list[Any] | None = None, **more: Any) -> Any:
    """Make a model with one output y [4]."""
    output = onnx.helper.make_tensor_value_info("y", FLOAT, [4])
    graph = onnx.helper.make_graph(nodes, "g", [], [output], weights or [], **more)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def outside(location: str) -> Any:
    """Make weights that lie in another file."""
    tensor = onnx.TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def identity(name: str = "w") -> Any:
    return onnx.helper.make_node("Identity", [name], ["y"])


def sparse() -> Any:
    values = onnx.helper.make_tensor("w", FLOAT, [1], [1.0])
    indices = onnx.helper.make_tensor("i", onnx.TensorProto.INT64, [1], [0])
    return onnx.helper.make_sparse_tensor(values, indices, [4])


def looping() -> Any:
    """Make a loop of 2^62 rounds."""
    inner = model([onnx.helper.make_node("Identity", ["c"], ["d"])]).graph
    return model([onnx.helper.make_node("Loop", ["n", "c"], ["y"], body=inner)])


def chained(products: int, side: int, *, stored: bool = True) -> Any:
    """Make a chain of products of one square matrix with itself."""
    node, weights = onnx.helper.make_node, []
    nodes = []
    if stored:
        weights = [onnx.numpy_helper.from_array(np.zeros((side, side), np.float32), "w")]
    else:
        weights = [onnx.numpy_helper.from_array(np.array([side, side]), "shape")]
        nodes = [node("ConstantOfShape", ["shape"], ["w"])]
    names = ["w", *(f"p{number}" for number in range(products))]
    nodes += [node("MatMul", [before, "w"], [after]) for before, after in pairwise(names)]
    return model([*nodes, node("Identity", [names[-1]], ["y"])], weights)


def with_function() -> Any:
    made = model([identity()])
    made.functions.append(onnx.helper.make_function("", "Gift", ["a"], ["b"], [identity("a")], made.opset_import))
    return made


HOSTILE: dict[str, tuple[Callable[[], Any], str]] = {
    "a file outside": (lambda: model([identity()], [outside("/etc/passwd")]), "other files"),
    "a file beside": (lambda: model([identity()], [outside("../calibration.json")]), "other files"),
    "a file outside, in a constant": (
        lambda: model([onnx.helper.make_node("Constant", [], ["y"], value=outside("/etc/passwd"))]),
        "other files",
    ),
    "a sparse weight": (lambda: model([identity()], sparse_initializer=[sparse()]), "sparse"),
    "a sparse constant": (
        lambda: model([onnx.helper.make_node("Constant", [], ["y"], sparse_value=sparse())]),
        "sparse",
    ),
    "a loop": (looping, "'Loop'"),
    "a graph in a known operator": (
        lambda: model([onnx.helper.make_node("Identity", ["w"], ["y"], body=looping().graph)]),
        "graphs in its graph",
    ),
    "functions": (with_function, "functions"),
    "two thousand products": (lambda: chained(2000, 3000), "more than 1000 nodes"),
    "nine hundred large products": (lambda: chained(900, 3000), "MB of weights"),
    "products of a matrix made up": (lambda: chained(9, 30_000, stored=False), "not stored"),
    "additions": (
        lambda: model([onnx.helper.make_node("Add", ["w", "w"], [f"y{number}"]) for number in range(5000)]),
        "more than 1000 nodes",
    ),
    "another domain": (lambda: model([onnx.helper.make_node("Gemm", ["w"], ["y"], domain="evil")]), "not of ONNX"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_model_with_the_right_checksum_is_refused_unopened(
    name: str, bundle_folder: Path, record_property: Any
) -> None:
    make, message = HOSTILE[name]
    data = make().SerializeToString()
    (bundle_folder / "model.onnx").write_bytes(data)
    facts = json.loads((bundle_folder / "bundle.json").read_text())
    facts["model"] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (bundle_folder / "bundle.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match=message) as caught:
        Bundle.load(bundle_folder)
    assert "\n" not in str(caught.value)
    record_property("hostile models refused", 1)


def test_damaged_and_random_model_files_raise_one_error_only(
    bundle: Bundle, rng: np.random.Generator, record_property: Any
) -> None:
    check_graph(bundle.model)
    damaged = 0
    for _ in range(300):
        data = bytearray(bundle.model)
        for position in rng.integers(0, 4000, 3):  # where the nodes are
            data[position] = rng.integers(256)
        for candidate in (data, data[: rng.integers(len(data))], rng.bytes(200)):
            try:
                check_graph(bytes(candidate))
            except InputError:
                damaged += 1
    assert damaged > 300
    record_property("damaged files checked", 900)


@pytest.mark.parametrize(
    "key",
    [
        b"\xba\x80\x00",  # field 7, the graph, in three bytes instead of one
        b"\xba\x80\x80\x80\x80\x01",  # the same with a bit above 32, which protobuf drops
        b"\xba\x80\x80\x80\x80\x00",
    ],
)
def test_a_field_whose_number_is_not_in_its_shortest_form_is_refused(bundle: Bundle, key: bytes) -> None:
    """A runtime would read a second graph there, which the check takes for a field it need not look into."""
    hidden = key + bytes([3]) + b"\x0a\x01\x00"
    with pytest.raises(InputError):
        check_graph(bundle.model + hidden)


def test_the_exporter_writes_only_operators_that_the_car_accepts() -> None:
    tensorrt_support = pytest.importorskip("mle_uvad.export.tensorrt_support")
    assert set(tensorrt_support.SUPPORTED) == OPERATORS
