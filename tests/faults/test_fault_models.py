"""Hostile models whose bundle.json has the right checksum: refused before a runtime sees them."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge import Bundle, InputError
from mle_uvad.edge.backends.ort import OrtBackend
from mle_uvad.edge.graph_check import check_graph
from mle_uvad.edge.graph_shapes import RULES

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


def grown(nodes: list[tuple[str, list[str], dict[str, Any]]], weights: dict[str, Any]) -> Any:
    """Make a model of nodes in a row, each of which gets what the one before it made as its first input."""
    made, before = [], "shares"
    for number, (operator, others, attributes) in enumerate(nodes):
        made.append(onnx.helper.make_node(operator, [before, *others], [f"t{number}"], **attributes))
        before = f"t{number}"
    stored = [onnx.numpy_helper.from_array(np.array(values), name) for name, values in weights.items()]
    return model([*made, identity(before)], stored)


def squared() -> Any:
    """Make a row of 2, its products with itself, a row of these and so on: 2, 4, 16, … elements, four hundred times."""
    nodes, row = [], "shares"
    for number in range(400):
        nodes.append(onnx.helper.make_node("Flatten", [row], [f"row{number}"], axis=0))
        row = f"square{number}"
        nodes.append(onnx.helper.make_node("Gemm", [f"row{number}", f"row{number}"], [row], transA=1))
    return model([*nodes, identity(row)])


def ambiguous(**more: Any) -> Any:
    """Make a model whose attribute keepdims is 1 or 0, as one reads it, on which the size of a sum depends."""
    made = grown([("ReduceMean", [], {"axes": [0], "keepdims": 1})], {})
    (attribute,) = (entry for entry in made.graph.node[0].attribute if entry.name == "keepdims")
    attribute.MergeFrom(onnx.AttributeProto(**more))
    return made


def packed() -> bytes:
    """Make a model whose tensor has its sizes in one field, which a runtime reads and the exporter does not write."""
    data = model([identity()], [onnx.numpy_helper.from_array(np.zeros(4, np.float32), "w")]).SerializeToString()
    assert data.count(b"\x08\x04\x10\x01") == 1
    return bytes(data.replace(b"\x08\x04\x10\x01", b"\x0a\x01\x04\x10\x01"))


def twice(made: Any, **more: Any) -> bytes:
    """Append the parts of a second model, which a reader of protocol buffers merges into the first."""
    return bytes(made.SerializeToString() + onnx.ModelProto(**more).SerializeToString())


MANY, MUCH, UNKNOWN = "million multiply-adds or more", "million numbers in memory", "cannot be determined"
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
    "a loop": (looping, "graphs in its graph"),
    "an operator of ours that is not": (
        lambda: model([onnx.helper.make_node("Einsum", ["shares"], ["y"])]),
        "'Einsum'",
    ),
    "a graph in a known operator": (
        lambda: model([onnx.helper.make_node("Identity", ["w"], ["y"], body=looping().graph)]),
        "graphs in its graph",
    ),
    "functions": (with_function, "functions"),
    "two thousand products": (lambda: chained(2000, 300), "more than 1000 nodes"),
    "nine hundred large products": (lambda: chained(900, 700), MUCH),
    "twenty large products": (lambda: chained(20, 1000), MANY),
    "products of a matrix made up": (lambda: chained(3, 2000, stored=False), MANY),
    "a large matrix made up": (lambda: chained(0, 30_000, stored=False), MUCH),
    "a row made long": (lambda: grown([("Expand", ["by"], {})], {"by": [10**9, 2]}), MUCH),
    "a row padded": (lambda: grown([("Pad", ["by"], {})], {"by": [0, 2**40]}), MUCH),
    "a row scaled up": (lambda: grown([("Resize", ["", "by"], {})], {"by": np.array([1e12], np.float32)}), MUCH),
    "a window of millions": (
        lambda: grown(
            [
                ("Reshape", ["four"], {}),
                ("Pad", ["around"], {}),
                ("AveragePool", [], {"kernel_shape": [1000, 1000]}),
            ],
            {"four": [1, 1, 1, 2], "around": [0, 0, 999, 999, 0, 0, 999, 999]},
        ),
        MANY,
    ),
    "a size that is no number": (
        lambda: grown([("Resize", ["", "by"], {})], {"by": np.array([np.nan], np.float32)}),
        UNKNOWN,
    ),
    "a size cast from no number": (
        lambda: model(
            [
                onnx.helper.make_node("Cast", ["size"], ["whole"], to=7),
                onnx.helper.make_node("Expand", ["shares", "whole"], ["y"]),
            ],
            [onnx.numpy_helper.from_array(np.array([np.inf], np.float32), "size")],
        ),
        UNKNOWN,
    ),
    "squares of squares": (squared, MUCH),
    "a size that a frame decides": (lambda: grown([("Cast", [], {"to": 7}), ("ConstantOfShape", [], {})], {}), UNKNOWN),
    "nothing to make of": (lambda: grown([("Conv", [""], {}), ("Add", [], {})], {}), UNKNOWN),
    "a tensor of a thousand axes": (
        lambda: model([identity()], [onnx.TensorProto(name="w", data_type=FLOAT, dims=[2**62] * 1000 + [0])]),
        "1000 axes|32 fields",
    ),
    "a tensor larger than its data": (
        lambda: model([identity()], [onnx.TensorProto(name="w", data_type=FLOAT, dims=[2**40], raw_data=b"1234")]),
        "not of its shape",
    ),
    "another opset": (
        lambda: onnx.helper.make_model(model([identity()]).graph, opset_imports=[onnx.helper.make_opsetid("", 6)]),
        "opset 17",
    ),
    "a second graph": (lambda: twice(model([identity("shares")]), graph=looping().graph), "no ONNX file"),
    "a second opset": (
        lambda: twice(model([identity("shares")]), opset_import=[onnx.helper.make_opsetid("ai.onnx", 6)]),
        "no ONNX file",
    ),
    "a constant of the name of an input": (
        lambda: grown([("Identity", [], {})], {"shares": np.zeros(2, np.float32)}),
        "two tensors of one name",
    ),
    "a large row cast": (lambda: grown([("Expand", ["by"], {}), ("Cast", [], {"to": 7})], {"by": [10**11, 2]}), MUCH),
    "an attribute of two values": (lambda: ambiguous(s=b""), "no ONNX file"),
    "an attribute of two numbers": (lambda: ambiguous(ints=[0]), "no ONNX file"),
    "an attribute of another type": (lambda: ambiguous(type=onnx.AttributeProto.INTS), "no ONNX file"),
    "sizes in a form of their own": (packed, "no ONNX file|not of its shape"),
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
    made = make()
    data = made if isinstance(made, bytes) else made.SerializeToString()
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
    check_graph(bundle.model, bundle.height, bundle.width)
    damaged = 0
    for _ in range(300):
        data = bytearray(bundle.model)
        for position in rng.integers(0, 4000, 3):  # where the nodes are
            data[position] = rng.integers(256)
        for candidate in (data, data[: rng.integers(len(data))], rng.bytes(200)):
            try:
                check_graph(bytes(candidate), bundle.height, bundle.width)
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
        check_graph(bundle.model + hidden, bundle.height, bundle.width)


def test_the_exporter_writes_only_operators_that_the_car_accepts() -> None:
    tensorrt_support = pytest.importorskip("mle_uvad.export.tensorrt_support")
    assert set(tensorrt_support.SUPPORTED) == set(RULES)


def test_the_session_reads_no_file_of_the_working_directory(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should a model that names files ever pass the check, there is nothing for it to read."""
    made = onnx.load_from_string(bundle.model)
    weights = max(made.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    (tmp_path / "weights").write_bytes(weights.raw_data)
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights")
    monkeypatch.chdir(tmp_path)
    OrtBackend(bundle)
    with pytest.raises(InputError, match="ONNX Runtime refuses"):
        OrtBackend(replace(bundle, model=made.SerializeToString()))
