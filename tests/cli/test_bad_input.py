"""Bad input: exit code 2, one line with the problem, the value and the remedy, and no file changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.cli import main

BAD_TUBS = {
    "missing": "no folder",
    "empty": "is empty",
    "foreign": "holds no catalog",
    "file": "is a file",
    "all deleted": "are deleted",
}


@pytest.fixture
def bad_tub(tmp_path: Path, make_tub: Callable[..., Path]) -> Callable[[str], Path]:
    def make(kind: str) -> Path:
        folder = tmp_path / "bad"
        if kind in ("empty", "foreign"):
            folder.mkdir()
        if kind == "foreign":
            (folder / "holiday.jpg").write_bytes(b"x")
        if kind == "file":
            folder.write_text("not a folder")
        if kind == "all deleted":
            return make_tub(5, deleted=range(5))
        return folder

    return make


@pytest.mark.parametrize("kind", BAD_TUBS)
@pytest.mark.parametrize("command", ["score", "calibrate", "train"])
def test_a_bad_tub(command: str, kind: str, run: Any, bad_tub: Any, bundle_folder: Path, tmp_path: Path) -> None:
    tub, out = bad_tub(kind), tmp_path / "out"
    arguments = {
        "score": ("score", tub, "--bundle", bundle_folder, "--out", out),
        "calibrate": ("calibrate", bundle_folder, "--tub", tub, "--out", out),
        "train": ("train", tub, "--out", out),
    }
    line = run(*arguments[command]).error_line
    assert BAD_TUBS[kind] in line
    assert str(tub) in line
    assert not out.exists()


@pytest.mark.parametrize(
    "kind", ["flipped byte", "schema", "no model", "no facts", "a model file", "model is a folder", "a car"]
)
def test_a_bad_bundle(kind: str, run: Any, bundle_folder: Path, make_tub: Any, tmp_path: Path) -> None:
    model, facts = bundle_folder / "model.onnx", bundle_folder / "bundle.json"
    given = bundle_folder
    if kind == "flipped byte":
        data = bytearray(model.read_bytes())
        data[len(data) // 2] ^= 1
        model.write_bytes(data)
    elif kind == "schema":
        facts.write_text(json.dumps(json.loads(facts.read_text()) | {"schema": 99}))
    elif kind == "no model":
        model.unlink()
    elif kind == "no facts":
        facts.unlink()
    elif kind == "a model file":
        given = model
    elif kind == "a car":
        (tmp_path / "mycar" / "models").mkdir(parents=True)
        given = tmp_path / "mycar"
        bundle_folder = bundle_folder.rename(given / "models" / "lens")
    else:
        model.unlink()
        model.mkdir()
    out = tmp_path / "s.csv"
    out.write_text("older scores")
    line = run("score", make_tub(3), "--bundle", given, "--out", out).error_line
    assert str(bundle_folder) in line
    assert out.read_text() == "older scores"


def test_a_calibration_of_another_model(
    run: Any, bundle_folder: Path, make_tub: Any, calibration: Any, tmp_path: Path
) -> None:
    path = tmp_path / "calibration.json"
    calibration.save(path)
    path.write_text(path.read_text().replace('"model_sha256": "', '"model_sha256": "0'))
    out = tmp_path / "s.csv"
    line = run("score", make_tub(3), "--bundle", bundle_folder, "--calibration", path, "--out", out).error_line
    assert "the calibration is for model" in line
    assert "mle-uvad calibrate" in line
    assert not out.exists()


def test_a_drive_that_is_too_short_leaves_the_old_calibration(
    run: Any, bundle_folder: Path, make_tub: Any, calibration: Any
) -> None:
    path = bundle_folder / "calibration.json"
    calibration.save(path)
    before = path.read_bytes()
    outcome = run("calibrate", bundle_folder, "--tub", make_tub(20))
    assert "20 frames can be scored and calibration needs 200" in outcome.error_line
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--preset", "papr"), "'papr'; choose one of paper, robust"),
        (("--width", "huge"), "'huge'; choose one of narrow, medium, wide"),
        (("--epochs", "0"), "epochs is 0; give 1 to 100000"),
        (("--sigma", "nan"), "sigma is nan"),
        (("--lambda", "-1"), "lambda is -1"),
        (("--seed", "-1"), "seed is -1; give 0 to"),
        (("--latent", "1000000000"), "latent is 1000000000; give 1 to 4096"),
        (("--sigma", "1e200"), "sigma is 1e+200"),
        (("--device", "tpu"), "'tpu'; this machine has cpu"),
        (("--windows", "-1"), "windows is -1; give 0 to 1000000"),
        (("--held-out", "paint"), "held_out is 'paint'; choose one of"),
    ],
)
def test_settings_out_of_range(arguments: Any, expected: str, run: Any, make_tub: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert expected in run("train", make_tub(80), "--out", out, *arguments).error_line
    assert not out.exists()


def test_too_little_disk_for_the_cache(run: Any, make_tub: Any, tmp_path: Path, monkeypatch: Any) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    line = run("train", make_tub(80), "--out", tmp_path / "runs" / "a").error_line
    assert "needs" in line
    assert "1 MB free" in line
    assert not (tmp_path / "runs" / "a").exists()


@pytest.mark.parametrize("target", ["tpu", ""])
def test_an_unknown_target(target: str, run: Any, tmp_path: Path) -> None:
    outcome = run(tmp_path / "run", "--target", target, "--out", tmp_path / "b", entry=main.export_model)
    assert repr(target) in outcome.error_line
    assert not (tmp_path / "b").exists()


def test_an_export_of_nothing_and_of_an_unfinished_run(run: Any, tmp_path: Path) -> None:
    assert "no run in" in run("export", tmp_path / "run", "--out", tmp_path / "b").error_line


def test_an_out_that_cannot_be_written(run: Any, bundle_folder: Path, make_tub: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    line = run("score", make_tub(3), "--bundle", bundle_folder, "--out", tmp_path / "file" / "s.csv").error_line
    assert str(tmp_path / "file") in line


def test_an_out_that_would_destroy_its_input(run: Any, bundle_folder: Path, make_tub: Any, tmp_path: Path) -> None:
    tub = make_tub(3)
    kept = {path: path.read_bytes() for folder in (tub, bundle_folder) for path in folder.rglob("*") if path.is_file()}
    for out in (tub / "manifest.json", tub / "new.csv", bundle_folder / "model.onnx", bundle_folder / "bundle.json"):
        assert "belongs to what is read" in run("score", tub, "--bundle", bundle_folder, "--out", out).error_line
        assert "belongs to what is read" in run("calibrate", bundle_folder, "--tub", tub, "--out", out).error_line
    assert "is a folder" in run("score", tub, "--bundle", bundle_folder, "--out", tmp_path).error_line
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_drive_of_another_camera_says_so(run: Any, bundle_folder: Path, make_tub: Any, tmp_path: Path) -> None:
    small = [np.full((60, 80, 3), 10 * i, np.uint8) for i in range(5)]
    outcome = run("score", make_tub(small), "--bundle", bundle_folder, "--out", tmp_path / "s.csv")
    assert outcome.code == 2
    line = outcome.err.splitlines()[-1]
    assert line.startswith("error: ")
    assert "frame is uint8 [60, 80, 3], the model takes uint8 [120, 160, 3]" in line


def test_a_folder_that_is_no_run_is_refused_before_anything_is_decoded(run: Any, make_tub: Any, tmp_path: Path) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "file").write_text("mine")
    assert "holds other files and no run" in run("train", make_tub(80), "--out", out).error_line
    assert [path.name for path in tmp_path.glob(".frames/*")] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("score",), "Missing argument 'TUB...'; type: mle-uvad score --help"),
        (("foo",), "No such command 'foo'"),
        (("train", "a", "--out", "b", "--epochs", "many"), "--epochs"),
        (("generate", "d", "--seed", "-1"), "--seed"),
        (("generate", "d", "--seconds", "nan"), "seconds is nan"),
        (("generate", "d", "--seconds", "inf", "--wet"), "seconds is inf"),
    ],
)
def test_wrong_usage_is_one_line_too(arguments: Any, expected: str, run: Any) -> None:
    assert expected in run(*arguments).error_line


def test_a_missing_extra_is_named(run: Any, make_tub: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from mle_uvad.cli import app

    real = app.find_spec
    monkeypatch.setattr(app, "find_spec", lambda name: None if name == "torch" else real(name))
    line = run("train", make_tub(3), "--out", tmp_path / "run").error_line
    assert "pip install 'mle_uvad[train]'" in line


@pytest.mark.parametrize("inside", [".", "runs/first"])
def test_a_run_is_not_written_into_a_tub(run: Any, make_tub: Callable[..., Path], inside: str) -> None:
    tub = make_tub(12)
    before = sorted(tub.rglob("*"))
    assert "lies in the tub" in run("train", tub, "--out", tub / inside).error_line
    assert sorted(tub.rglob("*")) == before
