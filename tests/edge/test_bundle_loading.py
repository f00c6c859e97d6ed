"""A bundle is verified before the car moves: every damage is one line, never another exception."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge import bundle as bundle_module
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.read_file import read_file
from mle_uvad.edge.reference import read_reference, write_reference


def refused(folder: Path, open_it: Callable[[Path], object] = Bundle.load) -> str:
    with pytest.raises(InputError) as caught:
        open_it(folder)
    line = str(caught.value)
    assert str(folder) in line
    assert "\n" not in line
    return line


def test_a_whole_bundle_loads(bundle: Bundle, bundle_folder: Path) -> None:
    loaded = Bundle.load(str(bundle_folder))
    assert loaded.folder == bundle_folder
    assert (loaded.height, loaded.width) == (bundle.height, bundle.width)
    assert loaded.model == (bundle_folder / "model.onnx").read_bytes()
    assert loaded.sha256 == bundle.sha256
    assert len(loaded.sha256) == 64
    assert loaded.parity["pcc_difference"] <= 1e-5
    assert loaded.reference.shape == (2, 20, 10, 10)
    assert np.array_equal(loaded.reference, bundle.reference)


def test_the_model_is_read_once(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noting(path: Path, *arguments: Any, **options: Any) -> bytes:
        data = read_file(path, *arguments, **options)
        read.append(path.name)
        return data

    monkeypatch.setattr(bundle_module, "read_file", noting)
    Bundle.load(bundle_folder)
    assert read == ["bundle.json", "model.onnx"]


def test_any_flipped_byte_of_the_model_is_found(bundle_folder: Path, rng: np.random.Generator) -> None:
    model_file = bundle_folder / "model.onnx"
    model = model_file.read_bytes()
    for cell in [0, 1, len(model) - 1, *rng.integers(0, len(model), 40)]:
        damaged = bytearray(model)
        damaged[cell] ^= 1 << int(rng.integers(8))
        model_file.write_bytes(damaged)
        assert "damaged" in refused(bundle_folder)


def test_a_model_cut_anywhere_is_found(bundle_folder: Path) -> None:
    model_file = bundle_folder / "model.onnx"
    model = model_file.read_bytes()
    for length in (0, 1, 100, len(model) // 2, len(model) - 1):
        model_file.write_bytes(model[:length])
        assert "damaged" in refused(bundle_folder)
    model_file.write_bytes(model + b"\0")
    assert "damaged" in refused(bundle_folder)


def test_a_bundle_json_cut_anywhere_is_found(bundle_folder: Path) -> None:
    facts_file = bundle_folder / "bundle.json"
    facts = facts_file.read_bytes()
    for length in range(0, len(facts), len(facts) // 200):
        facts_file.write_bytes(facts[:length])
        refused(bundle_folder)
        facts_file.write_bytes(facts[:length] + b"\0" * (len(facts) - length))
        refused(bundle_folder)


def test_a_bundle_json_with_any_flipped_byte_loads_or_is_refused(bundle_folder: Path, rng: np.random.Generator) -> None:
    facts_file = bundle_folder / "bundle.json"
    facts = facts_file.read_bytes()
    for cell in rng.integers(0, len(facts), 300):
        damaged = bytearray(facts)
        damaged[cell] = rng.integers(256)
        facts_file.write_bytes(damaged)
        try:
            Bundle.load(bundle_folder)
        except InputError as error:
            line = str(error)
        else:
            continue
        assert str(bundle_folder) in line
        assert "\n" not in line


WRONG_FACTS: list[dict[str, Any]] = [
    {"schema": 1},
    {"schema": None},
    {"schema": "2"},
    {"model": None},
    {"model": {}},
    {"model": "model.onnx"},
    {"model": {"sha256": "a\nb", "bytes": 1}},
    {"input": None},
    {"input": {"height": 120}},
    {"input": {"height": None, "width": 160}},
    {"input": {"height": [], "width": 160}},
    {"input": {"height": float("inf"), "width": 160}},
    {"input": {"height": 0, "width": 160}},
    {"input": {"height": -120, "width": 160}},
    {"input": {"height": 10**12, "width": 160}},
    {"target": None},
    {"target": "coral"},
    {"target": ["pi"]},
    {"answers": None},
    {"answers": {"pcc": 1}},
    {"answers": [[0.5, 1.0]]},
    {"answers": [[0.5, 1.0, "a"]]},
    {"answers": [[0.5, 1.0], [1.0]]},
    {"answers": [[0.5, 1.0, 1e999]]},
    {"spans_s": None},
    {"spans_s": 2},
    {"spans_s": [0.4]},
    {"spans_s": [0.4, 2.5]},
    {"spans_s": ["0.4", "2.0"]},
    {"reference": None},
    {"reference": 0.5},
    {"reference": "0.5"},
    {"reference": []},
    {"reference": [0.5] * 3999},
    {"reference": [0.5] * 4001},
    {"reference": [0.5] * 3999 + [None]},
    {"reference": [0.5] * 3999 + ["wide"]},
    {"reference": [0.5] * 3999 + [float("inf")]},
    {"reference": [1e39] + [0.5] * 3999},
    {"reference": [0.5] * 3999 + [0.0]},
    {"reference": [0.5] * 3999 + [-0.1]},
    {"reference": [0.5] * 3999 + [[0.5]]},
    {"reference": {"centre": [0.5] * 2000, "spread": [0.5] * 2000}},
]


@pytest.mark.parametrize("wrong", WRONG_FACTS, ids=lambda wrong: str(wrong)[:40])
def test_wrong_facts_are_refused_in_one_line(bundle_folder: Path, wrong: dict[str, Any]) -> None:
    facts_file = bundle_folder / "bundle.json"
    facts = json.loads(facts_file.read_text()) | wrong
    facts_file.write_text(json.dumps(facts).replace("Infinity", "1e999"))  # which is JSON
    refused(bundle_folder)


@pytest.mark.parametrize("name", ["schema", "model", "input", "spans_s", "reference", "parity"])
def test_a_missing_fact_is_refused(bundle_folder: Path, name: str) -> None:
    facts_file = bundle_folder / "bundle.json"
    facts = json.loads(facts_file.read_text())
    del facts[name]
    facts_file.write_text(json.dumps(facts))
    assert name in refused(bundle_folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"null", b'"text"', b"[" * 100_000, b" " * 300_000, b"\xff\xfe"])
def test_a_bundle_json_of_another_kind_is_refused(bundle_folder: Path, content: bytes) -> None:
    (bundle_folder / "bundle.json").write_bytes(content)
    refused(bundle_folder)


def test_a_reference_comes_back_with_six_digits(rng: np.random.Generator) -> None:
    reference = rng.uniform(0.01, 1.2, (2, 20, 10, 10)).astype(np.float32)
    again = read_reference(json.loads(json.dumps(write_reference(reference))))
    assert again.dtype == np.float32
    assert again == pytest.approx(reference, rel=1e-5)
    assert np.array_equal(read_reference(write_reference(again)), again)


def test_what_is_no_bundle_is_refused_with_what_to_type(bundle_folder: Path, tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "nothing")
    assert "is a file" in refused(bundle_folder / "model.onnx")
    (tmp_path / "empty").mkdir()
    assert "export-model" in refused(tmp_path / "empty")
    (bundle_folder / "model.onnx").unlink()
    assert "model.onnx" in refused(bundle_folder)
    (bundle_folder / "bundle.json").unlink()
    assert "bundle.json" in refused(bundle_folder)


def test_a_model_that_onnx_runtime_refuses_is_an_input_error(bundle: Bundle) -> None:
    def opened(**fields: Any) -> Callable[[Path], object]:
        return lambda _: open_scorer(Bundle(**{**vars(bundle), **fields}))

    for model in (b"", b"no model", bundle.model[:-100]):
        refused(bundle.folder, opened(model=model))
    # Another size in bundle.json than in the graph.
    refused(bundle.folder, opened(height=bundle.height + 8))
    refused(bundle.folder, opened(width=2 * bundle.width))
