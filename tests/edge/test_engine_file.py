"""The engine beside the model: built once, built again for a reason, never read unless it is the very one."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_tensorrt import Machine

from mle_uvad.edge.backends import open_backend
from mle_uvad.edge.backends.engine_file import ENGINE_FILE, SIDECAR_FILE
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError

Jetson = Callable[..., Machine]


@pytest.fixture
def reasons(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Why engines were built since the last call."""
    caplog.set_level(logging.WARNING)

    def reported() -> list[str]:
        lines = [record.getMessage() for record in caplog.records]
        caplog.clear()
        assert all("building the TensorRT engine" in line and "minutes" in line for line in lines)
        return [line.partition("minutes: ")[2] for line in lines]

    return reported


def test_the_first_start_builds_and_the_second_reads(
    jetson: Jetson, jetson_bundle: Bundle, reasons: Callable[[], list[str]]
) -> None:
    machine = jetson()
    open_backend(jetson_bundle, "trt")
    assert reasons() == ["there is none yet"]
    before = (jetson_bundle.folder / ENGINE_FILE).read_bytes()
    open_backend(jetson_bundle, "trt")
    assert (machine.builds, reasons()) == (1, [])
    open_backend(jetson_bundle, "trt", rebuild=True)
    assert (machine.builds, reasons()) == (2, ["asked for"])
    assert (jetson_bundle.folder / ENGINE_FILE).read_bytes() == before
    assert sorted(path.name for path in jetson_bundle.folder.iterdir()) == [
        "bundle.json",
        "model.engine",
        "model.engine.json",
        "model.onnx",
    ]
    facts = json.loads((jetson_bundle.folder / SIDECAR_FILE).read_text())
    assert facts.pop("engine_sha256")
    assert facts == {
        "schema": 1,
        "model_sha256": jetson_bundle.sha256,
        "tensorrt": "10.3.0",
        "gpu": "sm_87, 8 processors",
        "precision": "fp32",
    }


def edited(**facts: Any) -> Callable[[Path], object]:
    def act(folder: Path) -> None:
        sidecar = folder / SIDECAR_FILE
        sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | facts))

    return act


def cut(folder: Path) -> None:
    (folder / ENGINE_FILE).write_bytes((folder / ENGINE_FILE).read_bytes()[:-1])


def turned_a_bit(folder: Path) -> None:
    plan = bytearray((folder / ENGINE_FILE).read_bytes())
    plan[len(plan) // 2] ^= 1
    (folder / ENGINE_FILE).write_bytes(plan)


def without_sidecar(folder: Path) -> None:
    (folder / SIDECAR_FILE).unlink()


def sidecar_of(data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / SIDECAR_FILE).write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (edited(model_sha256="0" * 64), "for model_sha256 000"),
        (edited(tensorrt="8.6.2"), "for tensorrt 8.6.2, here it is 10.3.0"),
        (edited(gpu="sm_72, 6 processors"), "for gpu sm_72, 6 processors, here it is sm_87"),
        (edited(precision="tf32"), "for precision tf32"),
        (edited(precision=["fp32"]), "for precision ['fp32']"),
        (edited(schema=2), "has schema 2"),
        (edited(engine_sha256="0" * 64), "is damaged or of another build"),
        (edited(engine_sha256=None), "is damaged or of another build"),
        (edited(more="x" * 5000), "missing or not ours"),
        (cut, "is damaged or of another build"),
        (turned_a_bit, "is damaged or of another build"),
        (without_sidecar, "missing or not ours"),
        (sidecar_of(b""), "is damaged"),
        (sidecar_of(b"[]"), "is damaged"),
        (sidecar_of(b"{}"), "is damaged"),
        (sidecar_of(b"[" * 4000), "is damaged"),
        (sidecar_of(b"\xff\xfe"), "is damaged"),
    ],
)
def test_an_engine_that_does_not_fit_is_never_read_and_built_again(
    jetson: Jetson,
    jetson_bundle: Bundle,
    reasons: Callable[[], list[str]],
    harm: Callable[[Path], object],
    reason: str,
) -> None:
    machine = jetson()  # whose Runtime raises Crash, which nothing catches, for a damaged plan
    open_backend(jetson_bundle, "trt")
    reasons()
    harm(jetson_bundle.folder)
    open_backend(jetson_bundle, "trt")
    [reported] = reasons()
    assert reason in reported
    assert machine.builds == 2
    open_backend(jetson_bundle, "trt")
    assert reasons() == []


def test_an_engine_from_another_machine_is_built_again(
    jetson: Jetson, jetson_bundle: Bundle, reasons: Callable[[], list[str]]
) -> None:
    open_backend(jetson_bundle, "trt" if jetson("8.6.2") else "")
    reasons()
    newer = jetson("10.3.0")
    open_backend(jetson_bundle, "trt")
    assert reasons() == ["the one there is for tensorrt 8.6.2, here it is 10.3.0"]
    newer.cudart.attributes[75] = 11
    open_backend(jetson_bundle, "trt")
    assert reasons() == ["the one there is for gpu sm_87, 8 processors, here it is sm_117, 8 processors"]


def test_a_folder_that_cannot_be_written_builds_at_every_start(
    jetson: Jetson, jetson_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    jetson()
    (jetson_bundle.folder / ENGINE_FILE).mkdir()  # root writes everywhere, but not over a folder
    assert open_backend(jetson_bundle, "trt").name == "trt"
    assert "built again at every start" in caplog.text


def test_an_engine_that_differs_is_not_kept(jetson: Jetson, jetson_bundle: Bundle) -> None:
    machine = jetson()
    machine.error = 0.06
    with pytest.raises(InputError, match=r"not kept: .*log odds by 6.0e-02 \(allowed 5e-02\)"):
        open_backend(jetson_bundle, "trt")
    machine.error = float("nan")
    with pytest.raises(InputError, match=r"not kept: .*frame 0 is error with trt, ok with ort"):
        open_backend(jetson_bundle, "trt")
    assert not (jetson_bundle.folder / ENGINE_FILE).exists()
    machine.error = 0.04
    assert open_backend(jetson_bundle, "trt").name == "trt"


def test_what_tensorrt_says_of_a_graph_is_told(jetson: Jetson, jetson_bundle: Bundle, tmp_path: Path) -> None:
    machine = jetson()
    machine.refuses_to_build = "Could not find any implementation for node /Floor"
    with pytest.raises(InputError, match=r"TensorRT 10.3.0 cannot build the engine: .*implementation for node /Floor"):
        open_backend(jetson_bundle, "trt")
    broken = Bundle(**{**vars(jetson_bundle), "model": b"no model"})
    with pytest.raises(InputError, match=r"TensorRT 10.3.0 cannot read the graph: ModelImporter"):
        open_backend(broken, "trt")
    smaller = Bundle(**{**vars(jetson_bundle), "height": 60})
    machine.refuses_to_build = ""
    with pytest.raises(InputError, match=r"frame is uint8 \[60, 160, 3\], the engine takes uint8 \[120, 160, 3\]"):
        open_backend(smaller, "trt")


def test_a_copied_bundle_brings_its_engine_along(
    jetson: Jetson, jetson_bundle: Bundle, reasons: Callable[[], list[str]], tmp_path: Path
) -> None:
    jetson()
    open_backend(jetson_bundle, "trt")
    reasons()
    open_backend(Bundle.load(shutil.copytree(jetson_bundle.folder, tmp_path / "copy")), "trt")
    assert reasons() == []
