"""`mle-uvad build-engine` and `verify`, with and without the hardware."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_tensorrt import Machine

from mle_uvad.edge import backends
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.device import verify


@pytest.fixture(autouse=True)
def _few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "TIMED", 4)


def test_an_engine_is_built_and_verified(
    run: Any, jetson: Callable[..., Machine], jetson_bundle: Bundle, make_tub: Any
) -> None:
    jetson()
    folder = jetson_bundle.folder
    built = run("build-engine", folder)
    assert built.code == 0
    assert built.out == f"{folder}: built for TensorRT 10.3.0, fp32, sm_87, 8 processors\n"
    assert built.err.splitlines()[-1] == f"next: mle-uvad verify {folder} --backend trt"
    assert (folder / "model.engine").is_file()
    outcome = run("verify", folder, "--backend", "trt", "--tub", make_tub(7))
    assert outcome.code == 0, outcome.out
    assert "backend      TensorRT 10.3.0, fp32" in outcome.out
    assert "differs from the desktop by: PCC at most " in outcome.out
    assert "; 7 frames" in outcome.out
    assert "at 20 Hz     p50 " in outcome.out
    assert outcome.out.rstrip().endswith("PASS")


def test_a_device_that_differs_leaves_with_2(run: Any, jetson: Callable[..., Machine], jetson_bundle: Bundle) -> None:
    machine = jetson()
    assert run("build-engine", jetson_bundle.folder).code == 0
    machine.error = 0.5
    outcome = run("verify", jetson_bundle.folder, "--backend", "trt")
    assert outcome.code == 2
    assert "FAIL: against the desktop's golden values: differs: log odds by 5.0e-01 (allowed 5e-02)" in outcome.out
    figures = json.loads(run("verify", jetson_bundle.folder, "--backend", "trt", "--json").out)
    assert figures["problem"].startswith("against the desktop's golden values")
    assert figures["ort"]["logits"] == pytest.approx(0.5, abs=1e-3)
    failed = run("build-engine", jetson_bundle.folder)
    assert failed.code == 2
    assert "is not kept: against ONNX Runtime" in failed.err


def test_onnx_runtime_is_verified_anywhere(run: Any, bundle_folder: Path) -> None:
    figures = json.loads(run("verify", bundle_folder, "--backend", "ort", "--json").out)
    assert figures["problem"] == ""
    assert figures["ort"] is None
    assert figures["desktop"]["pcc"] <= 1e-5
    assert figures["back_to_back"]["p50"] > 0


def test_an_unavailable_backend_or_bundle_is_one_line(
    run: Any, bundle_folder: Path, make_tub: Any, tmp_path: Path
) -> None:
    for arguments, expected in (
        (("build-engine", bundle_folder), "cannot import tensorrt"),
        (("verify", bundle_folder, "--backend", "trt"), "cannot import tensorrt"),
        (("verify", bundle_folder, "--backend", "cuda"), "choose one of ort, trt"),
        (("verify", tmp_path, "--backend", "ort"), "is no bundle"),
        (("build-engine", tmp_path / "no"), "does not exist"),
        (("verify", bundle_folder), "Missing option '--backend'"),
    ):
        outcome = run(*arguments)
        assert outcome.code == 2
        assert expected in outcome.err.splitlines()[-1]
    small = make_tub([np.zeros((60, 80, 3), np.uint8)] * 3)
    line = run("verify", bundle_folder, "--backend", "ort", "--tub", small).error_line
    assert "frame is uint8 [60, 80, 3], the model takes uint8 [120, 160, 3] (3); give a drive of the camera" in line


def test_a_drive_is_scored_without_tensorrt_and_the_reason_is_logged(
    run: Any, jetson_bundle: Bundle, make_tub: Any, tmp_path: Path, caplog: Any
) -> None:
    backends._announce.cache_clear()
    outcome = run("score", make_tub(5), "--bundle", jetson_bundle.folder, "--out", tmp_path / "scores.csv")
    assert outcome.code == 0
    assert "runs on ONNX Runtime, not on TensorRT: Python 3" in caplog.text


def test_a_calibration_made_on_one_backend_is_refused_on_the_other(
    run: Any, jetson: Callable[..., Machine], jetson_bundle: Bundle, calibration: Any, make_tub: Any, tmp_path: Path
) -> None:
    calibration.save(jetson_bundle.folder / "calibration.json")  # of ONNX Runtime
    jetson()
    line = run("score", make_tub(5), "--bundle", jetson_bundle.folder, "--out", tmp_path / "scores.csv").err
    assert "the calibration is for backend ort, the bundle has trt; run `mle-uvad calibrate" in line


def test_an_export_for_the_jetson_says_where_the_engine_is_made(
    run: Any, finish_run: Any, moving_frames: Any, tmp_path: Path
) -> None:
    from mle_uvad.training.settings import TrainSettings  # needs torch, which finish_run looks for

    finished = finish_run(
        tmp_path / "run", TrainSettings(width="narrow", epochs=1, windows=0), np.stack(moving_frames(3))
    )
    outcome = run("export", finished.folder, "--out", tmp_path / "lens", "--target", "jetson", "--json")
    assert outcome.code == 0
    assert outcome.err.splitlines()[-1] == "next: on the Jetson, mle-uvad build-engine lens"
    assert json.loads(outcome.out)["target"] == "jetson"
    assert not (tmp_path / "lens" / "model.engine").exists()
