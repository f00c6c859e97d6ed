"""calibration.json: exact enough, written whole or not at all, refused when damaged or made for something else."""

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.calibration import Calibration
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.evidence import Thresholds
from mle_uvad.edge.graph import FEATURE_MAPS
from mle_uvad.edge.reference import Reference

REFERENCE: Reference = np.full((2, FEATURE_MAPS, 10, 10), 0.5, np.float32)

BUNDLE = Bundle(Path("mycar/models/lens"), b"", "3f" * 32, 120, 160, parity={}, reference=REFERENCE)


@pytest.fixture
def calibration(rng: np.random.Generator) -> Calibration:
    baseline = rng.normal(-6, 2, (2, 20, 20)).astype(np.float32)
    reference = rng.uniform(0.02, 1, REFERENCE.shape).astype(np.float32)
    return Calibration(
        thresholds=Thresholds((0.8012345678901234, 0.9, 0.9512345678901234), baseline, (1.7, 0.9), 0.5, reference),
        maxima=rng.gumbel(1.0, 0.2, (2, 30)).round(6),
        rule="clean",
        false_alarms_per_hour=0.5,
        frames=3600,
        duration_s=180.25,
        model_sha256=BUNDLE.sha256,
        backend="ort",
        camera="rgb",
        height=120,
        width=160,
        created_at="2026-01-02T03:04:05+00:00",
    )


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        Calibration.load(path)
    line = str(caught.value)
    assert str(path) in line
    assert "mle-uvad calibrate" in line
    assert "\n" not in line
    return line


def test_a_saved_calibration_is_loaded(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "models" / "calibration.json"  # the folder is made
    calibration.save(path)
    loaded = Calibration.load(path)
    assert np.array_equal(loaded.maxima, calibration.maxima)
    for name in {field.name for field in fields(Calibration)} - {"thresholds", "maxima"}:
        assert getattr(loaded, name) == getattr(calibration, name)
    assert loaded.thresholds.pcc == calibration.thresholds.pcc
    for name in ("baseline", "reference"):
        ours, theirs = getattr(calibration.thresholds, name), getattr(loaded.thresholds, name)
        assert (theirs.dtype, theirs.shape) == (np.float32, ours.shape)
        assert theirs == pytest.approx(ours, rel=1e-5)
    assert (loaded.thresholds.excess, loaded.thresholds.averaging_s) == ((1.7, 0.9), 0.5)
    assert [file.name for file in path.parent.iterdir()] == ["calibration.json"]
    json.loads(path.read_bytes(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_another_rate_gives_other_thresholds_from_the_same_drive(calibration: Calibration) -> None:
    assert calibration.at(0.5) is calibration
    strict, lax = calibration.at(0.1), calibration.at(20.0)
    assert strict.false_alarms_per_hour == 0.1
    assert all(high > low for high, low in zip(strict.thresholds.excess, lax.thresholds.excess, strict=True))
    assert strict.thresholds.baseline is calibration.thresholds.baseline
    with pytest.raises(InputError, match="false alarms per hour is 0"):
        calibration.at(0.0)
    with pytest.raises(InputError, match="by the rule pcc"):
        replace(calibration, rule="pcc", maxima=np.empty((2, 0))).at(2.0)
    for rule in ("paper", "median"):
        without = replace(calibration, rule=rule, maxima=np.empty((2, 0)), false_alarms_per_hour=None)
        assert without.at(2.0) is without


def test_thresholds_that_are_never_reached_are_kept(calibration: Calibration, tmp_path: Path) -> None:
    thresholds = Thresholds((-1.0, 0.2, 1.0), calibration.thresholds.baseline, (math.inf, math.inf), 0.0, REFERENCE)
    thresholds = replace(thresholds, median_s=5.0)
    replace(calibration, thresholds=thresholds, rule="paper", false_alarms_per_hour=None).save(tmp_path / "c.json")
    loaded = Calibration.load(tmp_path / "c.json")
    assert loaded.thresholds.pcc == (-1.0, 0.2, 1.0)
    assert loaded.false_alarms_per_hour is None
    assert loaded.thresholds.excess == (math.inf, math.inf)
    assert loaded.thresholds.median_s == 5.0
    assert json.loads((tmp_path / "c.json").read_text())["limit"] == [None, None]


def test_a_file_cut_anywhere_is_refused(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    calibration.save(path)
    data = path.read_bytes()
    for length in range(0, len(data), 640):
        path.write_bytes(data[:length])
        assert "damaged" in refused(path)
        path.write_bytes(data[:length] + b"\0" * (len(data) - length))
        assert "damaged" in refused(path)


def test_a_file_with_any_flipped_byte_loads_healthy_or_is_refused(
    calibration: Calibration, tmp_path: Path, rng: np.random.Generator
) -> None:
    path = tmp_path / "calibration.json"
    calibration.save(path)
    data = path.read_bytes()
    for position in rng.integers(0, len(data), 400):
        damaged = bytearray(data)
        damaged[position] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            thresholds = Calibration.load(path).thresholds
        except InputError:
            continue
        low, median, high = thresholds.pcc
        assert -1 <= low < median < high <= 1
        assert np.isfinite(thresholds.baseline).all()
        assert np.isfinite(thresholds.reference).all()
        assert (thresholds.reference[1] > 0).all()
        assert min(thresholds.excess) > 0


def cells(value: Any, count: int = 800) -> list[Any]:
    """Return baselines of which one is another value."""
    return [value, *[-6.0] * (count - 1)]


def reference(value: Any, at: int = -1) -> list[Any]:
    """Return a reference of which one number is another; the last is a scale."""
    numbers: list[Any] = [0.5] * REFERENCE.size
    numbers[at] = value
    return numbers


WRONG_FACTS: list[dict[str, Any]] = [
    {"schema": 1},
    {"schema": 2},
    {"schema": 4},
    {"schema": None},
    {"pcc": [0.9, 0.8, 0.95]},
    {"pcc": [0.8, 0.8, 0.95]},
    {"pcc": [-1.1, 0.8, 0.95]},
    {"pcc": [0.7, 0.8, 1.0001]},
    {"pcc": [0.7, 0.8]},
    {"pcc": [0.7, "nan", 0.9]},
    {"pcc": None},
    {"pcc": [0.7, 0.8, 10**400]},
    {"ordinary": []},
    {"ordinary": cells(0.0, count=799)},
    {"ordinary": cells("nan")},
    {"ordinary": cells(None)},
    {"ordinary": cells(1e999)},
    {"ordinary": cells(10**400)},
    {"ordinary": cells([0.0])},
    {"ordinary": 7},
    {"limit": 0},
    {"limit": -1.0},
    {"limit": "nan"},
    {"limit": []},
    {"limit": [1.0]},
    {"limit": [1.0, 0.0]},
    {"limit": [1.0, 2.0, 3.0]},
    {"maxima": [[1.0] * 3] * 2},
    {"maxima": [[1.0] * 30, [1.0] * 29]},
    {"maxima": [["nan"] * 30] * 2},
    {"maxima": None},
    {"reference": []},
    {"reference": [0.5] * 3999},
    {"reference": reference(0.0)},
    {"reference": reference(-0.1)},
    {"reference": reference("nan")},
    {"reference": reference(1e999, at=0)},
    {"reference": reference(None)},
    {"reference": None},
    {"averaging_s": -1.0},
    {"averaging_s": "nan"},
    {"averaging_s": 1e999},
    {"frames": "many"},
    {"frames": 1e999},
    {"duration_s": None},
    {"width": []},
    {"camera": "grey"},
    {"camera": None},
    {"rule": "guess"},
    {"rule": ["clean"]},
    {"rule": "paper"},
    {"rule": "pcc", "false_alarms_per_hour": None},
    *({"false_alarms_per_hour": rate} for rate in ("1", None, [1], 0, -1.0, True, 1e999, 10**400)),
]


@pytest.mark.parametrize("wrong", WRONG_FACTS, ids=lambda wrong: str(wrong)[:40])
def test_wrong_facts_are_refused_in_one_line(calibration: Calibration, tmp_path: Path, wrong: dict[str, Any]) -> None:
    path = tmp_path / "calibration.json"
    calibration.save(path)
    facts = json.loads(path.read_text()) | wrong
    path.write_text(json.dumps(facts).replace("Infinity", "1e999"))
    refused(path)


def test_a_missing_key_a_missing_file_and_other_files_are_refused(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    assert "no calibration" in refused(path)
    refused(tmp_path)
    calibration.save(path)
    facts = json.loads(path.read_text())
    for name in facts.keys() - {"crawl_below", "median_s"}:  # which older files do not have
        path.write_text(json.dumps({key: value for key, value in facts.items() if key != name}))
        assert name in refused(path)
    for content in (b"", b"[]", b"7", b"\xff", b"[" * 200_000, b" " * 300_000):
        path.write_bytes(content)
        refused(path)


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    calibration: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calibration.json"
    calibration.save(path)
    before = path.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("os.fsync", "pathlib.Path.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(name, full_disk)
            with pytest.raises(InputError, match="No space left"):
                replace(calibration, frames=1).save(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]
    replace(calibration, frames=1).save(path)
    assert Calibration.load(path).frames == 1


def test_the_bytes_are_on_the_disk_before_the_file_is_replaced(
    calibration: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calibration.json"
    there_at_fsync: list[bool] = []
    monkeypatch.setattr("os.fsync", lambda descriptor: there_at_fsync.append(path.exists()))
    calibration.save(path)
    assert there_at_fsync == [False]


def test_a_calibration_is_valid_for_its_model_backend_and_camera_only(calibration: Calibration) -> None:
    assert calibration.mismatch(BUNDLE, "ort") == ""
    other_model = calibration.mismatch(replace(BUNDLE, sha256="9c" * 32), "ort")
    assert ("model" in other_model, "3f3f3f3f3f3f" in other_model, "9c9c9c9c9c9c" in other_model) == (True,) * 3
    other_backend = calibration.mismatch(BUNDLE, "trt")
    assert ("backend ort" in other_backend, "trt" in other_backend) == (True,) * 2
    for bundle, size in ((replace(BUNDLE, width=320, height=240), "320x240"), (replace(BUNDLE, width=120), "120x120")):
        other_size = calibration.mismatch(bundle, "ort")
        assert ("camera size 160x120" in other_size, size in other_size) == (True,) * 2
    assert calibration.mismatch(BUNDLE, "ort", "rgb") == ""
    other_camera = calibration.mismatch(BUNDLE, "ort", "luma")
    assert ("camera frames rgb" in other_camera, "the car has luma" in other_camera) == (True,) * 2
    assert "mle-uvad calibrate --car MYCAR" in other_camera, "a tub holds no luma"
    for line in (
        other_model,
        other_backend,
        other_size,
        replace(calibration, camera="luma").mismatch(BUNDLE, "ort", "rgb"),
    ):
        assert "mle-uvad calibrate mycar/models/lens" in line
        assert "\n" not in line
