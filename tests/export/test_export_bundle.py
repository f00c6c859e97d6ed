"""A bundle is written whole, checked and readable on the car, or not at all."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.graph import GRAPH_OUTPUTS, RUNNING_MEANS_SIZE
from mle_uvad.export import bundle as bundle_module
from mle_uvad.export.bundle import export_bundle
from mle_uvad.export.graph import FrameGraph
from mle_uvad.training.model import WIDTHS
from mle_uvad.training.run import RunFolder

Frame = NDArray[np.uint8]
MakeRun = Callable[..., RunFolder]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_width_exports_within_a_hundred_thousandth(make_run: MakeRun, tmp_path: Path, width: str) -> None:
    bundle = export_bundle(make_run(width=width).folder, tmp_path / "lens", "onnx")
    assert bundle.parity["frames"] == 6
    assert bundle.parity["pcc_difference"] <= 1e-5
    assert bundle.parity["logits_difference"] <= 1e-2
    assert json.loads((tmp_path / "lens" / "bundle.json").read_text())["training"]["settings"]["width"] == width
    assert sorted(contents(tmp_path / "lens")) == ["bundle.json", "model.onnx"]


def test_a_bounded_latent_exports(make_run: MakeRun, tmp_path: Path) -> None:
    assert export_bundle(make_run(mode="bounded").folder, tmp_path / "lens", "onnx").parity["frames"] == 6


def test_the_bundle_takes_the_size_of_the_camera(
    make_run: MakeRun, moving_frames: Callable[..., list[Frame]], tmp_path: Path
) -> None:
    frames = [frame[:97, :131] for frame in moving_frames(3)]
    bundle = export_bundle(make_run(frames=frames).folder, tmp_path / "lens", "onnx")
    assert (bundle.height, bundle.width) == (97, 131)
    assert open_scorer(bundle).score(frames[0], 0.0).status == "ok"


def test_the_model_is_opset_17_with_static_shapes(make_run: MakeRun, tmp_path: Path) -> None:
    proto = onnx.load_from_string(export_bundle(make_run().folder, tmp_path / "lens", "onnx").model)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 17)]
    assert proto.ir_version <= 8  # what ONNX Runtime 1.16 and TensorRT 8.6 read
    for value in (*proto.graph.input, *proto.graph.output):
        assert all(axis.HasField("dim_value") for axis in value.type.tensor_type.shape.dim)
    types = {tensor.data_type for tensor in proto.graph.initializer}
    assert types <= {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}


def test_onnx_runtime_reads_origin_and_settings(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    bundle = export_bundle(run.folder, tmp_path / "lens", "onnx")
    session = onnxruntime.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["settings"]) == run.facts()["settings"]
    assert properties["mle_uvad"]
    assert [(given.name, given.shape, given.type) for given in session.get_inputs()] == [
        ("frame", [120, 160, 3], "tensor(uint8)"),
        ("memory", [2, RUNNING_MEANS_SIZE], "tensor(float)"),
        ("shares", [2], "tensor(float)"),
        ("reference", [2, 20, 40, 40], "tensor(float)"),
    ]
    assert [output.name for output in session.get_outputs()] == list(GRAPH_OUTPUTS)


def test_the_same_run_gives_the_same_bytes(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    one, two = (export_bundle(run.folder, tmp_path / name, "onnx") for name in ("one", "two"))
    assert one.sha256 == two.sha256


def test_nothing_of_this_machine_is_in_the_bundle(make_run: MakeRun, tmp_path: Path) -> None:
    export_bundle(make_run().folder, tmp_path / "lens", "onnx")
    for data in contents(tmp_path / "lens").values():
        for path in (str(tmp_path), str(Path(bundle_module.__file__).parent), str(Path.home()) + "/"):
            assert path.encode() not in data


def test_an_unfinished_run_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    run.obscuration_file.unlink()  # cut between the two networks
    assert "not finished" in refused(lambda: export_bundle(run.folder, tmp_path / "lens", "onnx"))
    run.weights_file.unlink()
    assert "not finished" in refused(lambda: export_bundle(run.folder, tmp_path / "lens", "onnx"))
    assert not (tmp_path / "lens").exists()


def test_no_run_at_all_is_refused(tmp_path: Path) -> None:
    assert "no run in" in refused(lambda: export_bundle(tmp_path / "run", tmp_path / "lens", "onnx"))


@pytest.mark.parametrize("target", ["coral", "tflite", ""])
def test_an_unknown_target_is_refused(make_run: MakeRun, tmp_path: Path, target: str) -> None:
    line = refused(lambda: export_bundle(make_run().folder, tmp_path / "lens", target))
    assert repr(target) in line
    assert "onnx" in line


def test_a_folder_with_other_things_is_left_alone(make_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "lens").mkdir()
    (tmp_path / "lens" / "pilot.tflite").write_bytes(b"mine")
    assert "is no bundle" in refused(lambda: export_bundle(make_run().folder, tmp_path / "lens", "onnx"))
    assert contents(tmp_path / "lens") == {"pilot.tflite": b"mine"}


def test_a_file_is_left_alone(make_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "lens").write_bytes(b"mine")
    assert "is no bundle" in refused(lambda: export_bundle(make_run().folder, tmp_path / "lens", "onnx"))
    assert (tmp_path / "lens").read_bytes() == b"mine"


def test_an_empty_folder_is_filled(make_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "car" / "lens").mkdir(parents=True)
    export_bundle(make_run().folder, tmp_path / "car" / "lens", "onnx")
    assert sorted(contents(tmp_path / "car")) == ["lens/bundle.json", "lens/model.onnx"]


def test_a_new_bundle_replaces_the_old_one_and_keeps_its_calibration(make_run: MakeRun, tmp_path: Path) -> None:
    old = export_bundle(make_run(width="medium", name="old").folder, tmp_path / "lens", "onnx")
    (tmp_path / "lens" / "calibration.json").write_bytes(b"of the old one")
    new = export_bundle(make_run().folder, tmp_path / "lens", "onnx")
    assert new.sha256 != old.sha256
    assert Bundle.load(tmp_path / "lens").sha256 == new.sha256
    assert (tmp_path / "lens" / "calibration.json").read_bytes() == b"of the old one"


@pytest.mark.parametrize("fresh", [True, False])
def test_an_export_that_is_killed_at_any_rename_leaves_a_whole_bundle_or_none(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    class Killed(BaseException):
        pass

    out, seen = tmp_path / "lens", set()
    old = "" if fresh else export_bundle(make_run(width="medium", name="old").folder, out, "onnx").sha256
    kept = None if fresh else contents(out)
    run, replace = make_run(), Path.replace
    for last in range(5):
        if out.exists():
            shutil.rmtree(out)
        for name, data in (kept or {}).items():
            out.mkdir(exist_ok=True)
            (out / name).write_bytes(data)
        renames = 0

        def dying(path: Path, target: Path, last: int = last) -> Path:
            nonlocal renames
            if str(target).startswith(str(out)) and (target == out or target.parent == out):
                if renames == last:
                    raise Killed
                renames += 1
            return replace(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", dying)
            with suppress(Killed):
                export_bundle(run.folder, out, "onnx")
        seen.add(Bundle.load(out).sha256 if out.exists() else "")
        assert export_bundle(run.folder, out, "onnx").sha256 not in ("", old)
        assert sorted(contents(out)) == ["bundle.json", "model.onnx"]
    assert len(seen) == 2
    assert old in seen


@pytest.mark.parametrize("layer", ["model.from_latent", "net.head.1"])
def test_a_graph_that_differs_replaces_nothing(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: str
) -> None:
    class WrongGraph(FrameGraph):
        """An exporter that loses a little of one weight."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            with torch.no_grad():
                self.get_parameter(f"{layer}.bias")[0] += 1

    run = make_run()
    export_bundle(run.folder, tmp_path / "car" / "lens", "onnx")
    (tmp_path / "car" / "lens" / "calibration.json").write_bytes(b"{}")
    before = contents(tmp_path / "car")
    monkeypatch.setattr(bundle_module, "FrameGraph", WrongGraph)
    line = refused(lambda: export_bundle(run.folder, tmp_path / "car" / "lens", "onnx"))
    assert "differs from PyTorch" in line
    assert contents(tmp_path / "car") == before
    assert list((tmp_path / "car").iterdir()) == [tmp_path / "car" / "lens"]  # the draft is gone too


def test_the_reference_of_the_run_stands_in_for_a_calibration(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    net, _ = run.load_obscuration()
    reference = torch.linspace(0.1, 0.9, 4000).reshape(2, 20, 10, 10)
    run.finish_obscuration(net, reference, [])
    bundle = export_bundle(run.folder, tmp_path / "lens", "onnx")
    assert bundle.reference == pytest.approx(reference.numpy(), rel=1e-5)
    assert np.array_equal(open_scorer(bundle).reference, bundle.reference)


def test_a_run_that_ended_in_nan_is_refused_as_such(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    model = run.load_model()
    with torch.no_grad():
        model.from_latent.bias.fill_(torch.nan)
    run.finish(model)
    assert "not finite" in refused(lambda: export_bundle(run.folder, tmp_path / "lens", "onnx"))
    assert not (tmp_path / "lens").exists()


def test_a_run_of_nothing_but_darkness_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(frames=[np.zeros((120, 160, 3), np.uint8)] * 3)
    assert "dark or flat" in refused(lambda: export_bundle(run.folder, tmp_path / "lens", "onnx"))
    assert not (tmp_path / "lens").exists()


def test_dark_frames_among_others_are_passed_over(
    make_run: MakeRun, moving_frames: Callable[..., list[Frame]], tmp_path: Path
) -> None:
    frames = [np.zeros((120, 160, 3), np.uint8), *moving_frames(2)]
    assert export_bundle(make_run(frames=frames).folder, tmp_path / "lens", "onnx").parity["frames"] == 2


def test_the_graph_is_the_model_and_not_a_copy_that_changes_it(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    before = run.weights_file.read_bytes()
    export_bundle(run.folder, tmp_path / "lens", "onnx")
    assert run.weights_file.read_bytes() == before
