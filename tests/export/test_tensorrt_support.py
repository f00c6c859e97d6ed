"""The graph against what TensorRT builds: ours passes, and what it would refuse is refused with the node named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from mle_uvad.edge.errors import InputError
from mle_uvad.export import bundle as bundle_module
from mle_uvad.export import tensorrt_support
from mle_uvad.export.bundle import export_bundle
from mle_uvad.export.graph import FrameGraph
from mle_uvad.export.tensorrt_support import SUPPORTED, check_tensorrt
from mle_uvad.training.run import RunFolder

FLOAT, UINT8, FEATURE_SIDE, DOUBLE, INT64 = (
    TensorProto.FLOAT,
    TensorProto.UINT8,
    TensorProto.FLOAT16,
    TensorProto.DOUBLE,
    TensorProto.INT64,
)


def graph_of(
    *nodes: onnx.NodeProto,
    inputs: dict[str, tuple[int, list[Any]]] | None = None,
    output: tuple[int, list[Any]] = (FLOAT, [1, 1, 4, 4]),
    constants: dict[str, list[int]] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    """A graph from `x` to `y`."""
    given = {"x": (FLOAT, [1, 1, 4, 4])} if inputs is None else inputs
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in given.items()],
        [helper.make_tensor_value_info("y", *output)],
        [helper.make_tensor(name, INT64, [len(values)], values) for name, values in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def node(kind: str, *inputs: str, name: str = "here", output: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs or ["x"], [output], name=name, **attributes)


@pytest.mark.parametrize("width", ["narrow", "medium", "wide"])
def test_our_graph_passes_whatever_its_size(
    make_graph: Callable[..., FrameGraph], to_onnx: Callable[..., bytes], width: str
) -> None:
    counted = check_tensorrt(onnx.load_from_string(to_onnx(make_graph(97, 131, width), 97, 131)))
    assert counted["Conv"] > 10
    assert counted.total() > 100


REFUSED = {
    "an operator it lacks": (graph_of(node("Hardmax")), "Hardmax here: the operator is not among those"),
    "a newer opset": (graph_of(node("Relu"), opset=18), "reads ONNX opset 17 and older"),
    "antialias": (
        graph_of(node("Resize", "x", "", "", "s", antialias=1, mode="linear"), constants={"s": [1, 1, 4, 4]}, opset=18),
        "opset 17",
    ),
    "a cubic resize": (
        graph_of(node("Resize", "x", "", "", "s", mode="cubic"), constants={"s": [1, 1, 4, 4]}),
        "Resize here: mode is cubic",
    ),
    "other coordinates": (
        graph_of(
            node("Resize", "x", "", "", "s", mode="linear", coordinate_transformation_mode="tf_crop_and_resize"),
            constants={"s": [1, 1, 4, 4]},
        ),
        "Resize here: coordinate_transformation_mode is tf_crop_and_resize",
    ),
    "axes that are computed": (
        graph_of(
            node("Slice", "x", "zero", "four", "axes"),
            inputs={"x": (FLOAT, [1, 1, 4, 4]), "axes": (INT64, [1])},
            constants={"zero": [0], "four": [4]},
        ),
        "Slice here: its axes are no constant",
    ),
    "a kernel that is computed": (
        graph_of(
            node("Conv", "x", "w", kernel_shape=[1, 1]),
            inputs={"x": (FLOAT, [1, 1, 4, 4]), "w": (FLOAT, [1, 1, 1, 1])},
        ),
        "Conv here: its weights are no constant",
    ),
    "pooling along a line": (
        graph_of(node("AveragePool", kernel_shape=[1]), inputs={"x": (FLOAT, [1, 1, 4])}, output=(FLOAT, [1, 1, 4])),
        "AveragePool here: kernel_shape is [1]",
    ),
    "half precision": (
        graph_of(node("Cast", to=FEATURE_SIDE), output=(FEATURE_SIDE, [1, 1, 4, 4])),
        "Cast here: casts to FLOAT16",
    ),
    "double precision": (
        graph_of(node("Relu"), inputs={"x": (DOUBLE, [1, 1, 4, 4])}, output=(DOUBLE, [1, 1, 4, 4])),
        "Relu here: x is double",
    ),
    "bytes within the graph": (
        graph_of(node("Transpose"), inputs={"x": (UINT8, [1, 1, 4, 4])}, output=(UINT8, [4, 4, 1, 1])),
        "Transpose here: x is uint8; uint8 may only be an input",
    ),
    "bytes made within the graph": (
        graph_of(node("Cast", to=UINT8, output="bytes"), node("Cast", "bytes", to=FLOAT, name="back")),
        "Cast here: casts to UINT8",
    ),
    "a shape left open": (
        graph_of(node("Relu"), inputs={"x": (FLOAT, ["n", 1, 4, 4])}, output=(FLOAT, ["n", 1, 4, 4])),
        "x has no fixed shape",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_tensorrt_would_refuse_is_refused_with_the_node_named(what: str) -> None:
    model, told = REFUSED[what]
    with pytest.raises(InputError) as caught:
        check_tensorrt(model)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_domain_is_refused() -> None:
    model = graph_of(node("Gelu", domain="com.microsoft"))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(InputError, match=r"com\.microsoft"):
        check_tensorrt(model)


def test_antialias_is_refused_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_support, "OPSET_MAX", 18)
    with pytest.raises(InputError, match="Resize here: antialias"):
        check_tensorrt(REFUSED["antialias"][0])


def test_an_export_for_the_jetson_looks_every_node_up_and_the_others_do_not(
    make_run: Callable[..., RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run().folder
    assert export_bundle(run, tmp_path / "jetson", "jetson").target == "jetson"
    monkeypatch.setattr(tensorrt_support, "SUPPORTED", {name: SUPPORTED[name] for name in SUPPORTED if name != "Floor"})
    assert export_bundle(run, tmp_path / "pi", "pi").target == "pi"
    with pytest.raises(InputError, match="TensorRT cannot build Floor /Floor"):
        export_bundle(run, tmp_path / "other", "jetson")
    assert not (tmp_path / "other").exists()


def test_the_targets_differ_in_their_name_alone(make_run: Callable[..., RunFolder], tmp_path: Path) -> None:
    run = make_run().folder
    bundles = [export_bundle(run, tmp_path / target, target) for target in bundle_module.TARGETS]
    assert [bundle.target for bundle in bundles] == ["onnx", "pi", "jetson"]
    assert len({bundle.sha256 for bundle in bundles}) == 1
    assert bundles[0].golden_values == bundles[1].golden_values == bundles[2].golden_values
    assert len(bundles[0].golden_values) == 24
