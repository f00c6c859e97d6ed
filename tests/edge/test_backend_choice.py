"""Which backend a bundle gets, and what is said where it is not TensorRT."""

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fake_tensorrt import ICudaEngine, Machine

from mle_uvad.edge.backends import cuda, open_backend, open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError

Jetson = Callable[..., Machine]


def refused(bundle: Bundle) -> str:
    with pytest.raises(InputError) as caught:
        open_backend(bundle, "trt")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("target", ["onnx", "pi"])
def test_only_a_bundle_for_the_jetson_takes_tensorrt(jetson: Jetson, bundle: Bundle, target: str) -> None:
    machine = jetson()
    assert open_scorer(replace(bundle, target=target)).backend.name == "ort"
    assert not machine.cudart.calls


def test_without_the_module_onnx_runtime_takes_over_and_says_so_once(
    jetson: Jetson, jetson_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jetson()
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # as if it were not installed
    assert {open_scorer(jetson_bundle).backend.name for _ in range(3)} == {"ort"}
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    line = record.getMessage()
    assert "runs on ONNX Runtime, not on TensorRT" in line
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]} cannot import tensorrt" in line
    assert "/usr/bin/python3 -m venv --system-site-packages" in line


def test_a_module_that_lacks_its_libraries_is_told(
    jetson: Jetson, jetson_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jetson()
    monkeypatch.delitem(sys.modules, "tensorrt")
    text = "raise ImportError('libnvinfer.so.10: cannot open shared object file: No such file or directory')"
    (tmp_path / "tensorrt.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert "libnvinfer.so.10" in refused(jetson_bundle)


def test_no_gpu_is_found_out_before_tensorrt_is_used(jetson: Jetson, jetson_bundle: Bundle) -> None:
    machine = jetson()  # whose Runtime raises Crash without a GPU
    machine.cudart.devices = 0
    line = refused(jetson_bundle)
    assert "no GPU can be used" in line
    assert "CUDA error 100" in line
    machine.cudart.devices = 1
    machine.cudart.fail["cudaHostAlloc"] = 2
    assert "cudaHostAlloc: as the test wants it (CUDA error 2)" in refused(jetson_bundle)


def test_no_cuda_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda.ctypes.util, "find_library", lambda name: None)
    monkeypatch.setattr(cuda, "LIBRARIES", ("libcudart.so.0", "/usr/local/no/libcudart.so"))
    with pytest.raises(InputError, match=r"libcudart, the CUDA runtime, is not on this machine; .*nvidia-jetpack"):
        cuda.open_library()


def test_a_tensorrt_older_than_its_tensor_names_is_refused(
    jetson: Jetson, jetson_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(ICudaEngine, "num_io_tensors")
    jetson("8.2.1")
    assert "TensorRT 8.2.1 is older than 8.5; install JetPack 6" in refused(jetson_bundle)
    assert open_scorer(jetson_bundle).backend.name == "ort"


def test_an_unknown_backend_is_refused(bundle: Bundle) -> None:
    with pytest.raises(InputError, match="backend is 'cuda'; choose one of ort, trt"):
        open_backend(bundle, "cuda")


def test_a_bundle_of_an_unknown_target_is_refused(bundle_folder: Path) -> None:
    facts = bundle_folder / "bundle.json"
    assert '"target": "onnx"' in facts.read_text()
    facts.write_text(facts.read_text().replace('"target": "onnx"', '"target": "coral"'))
    with pytest.raises(InputError, match="target is 'coral'"):
        Bundle.load(bundle_folder)
